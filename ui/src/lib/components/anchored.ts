/** Room that a dialog leaves to the edges of the window, in pixels: `--space-16` of dialog.css. */
const MARGIN = 16;

/**
 * Where a dialog stands that was `top` pixels from the window's top, when it is `growth` pixels higher. It grows
 * downwards, so that what is above stays where it is; a person who presses the buttons at its foot finds those where
 * they were.
 */
export function topAfter(top: number, growth: number, atFoot: boolean): number {
  return atFoot ? Math.max(MARGIN, top - growth) : top;
}

/**
 * Keeps a dialog in the middle, until somebody uses the mouse in it: then it stays where it is. A dialog that stays in
 * the middle while it grows moves away under the mouse, and the next click hits something else.
 */
export function anchored(panel: HTMLElement): () => void {
  let top = 0;
  let height = 0;
  let moved = false;
  let atFoot = false;

  const place = () => {
    panel.style.marginBlockStart = `${String(top)}px`;
    panel.style.maxBlockSize = `calc(100dvh - ${String(top + MARGIN)}px)`;
  };
  const center = () => {
    panel.style.maxBlockSize = '';
    height = panel.offsetHeight;
    top = Math.max(MARGIN, Math.round((window.innerHeight - height) / 2));
    place();
  };
  const grown = () => {
    const growth = panel.offsetHeight - height;
    if (growth === 0) return;
    if (!moved || !panel.matches(':hover')) {
      center();
      return;
    }
    height += growth;
    top = topAfter(top, growth, atFoot);
    place();
  };
  const pointerMoved = ({ target }: Event) => {
    moved = true;
    atFoot = target instanceof Element && target.closest('[data-foot]') !== null;
  };

  center();
  const sizes = new ResizeObserver(grown);
  sizes.observe(panel);
  panel.addEventListener('pointermove', pointerMoved);
  window.addEventListener('resize', center);
  return () => {
    sizes.disconnect();
    panel.removeEventListener('pointermove', pointerMoved);
    window.removeEventListener('resize', center);
  };
}
