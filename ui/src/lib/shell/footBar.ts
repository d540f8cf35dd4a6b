/** Lets what comes and goes at the foot of the window stand above a bar that stays there. */
export function footBar(bar: HTMLElement): () => void {
  const { style } = document.documentElement;
  const sizes = new ResizeObserver(() => {
    style.setProperty('--foot-bar', `${String(bar.offsetHeight)}px`);
  });
  sizes.observe(bar);
  return () => {
    sizes.disconnect();
    style.removeProperty('--foot-bar');
  };
}
