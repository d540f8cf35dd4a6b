import { createSubscriber } from 'svelte/reactivity';

const TOKENS = {
  accepted: '--chart-accepted',
  refused: '--chart-refused',
  grid: '--chart-grid',
  text: '--text-muted',
  line1: '--chart-line-1',
  line2: '--chart-line-2',
  line3: '--chart-line-3',
  line4: '--chart-line-4',
} as const;

export type Color = keyof typeof TOKENS;

/** How the page looks at this moment, in the terms of a canvas. */
export interface Look {
  colors: Record<Color, string>;
  font: { family: string; size: number };
}

const subscribe = createSubscriber((update) => {
  const queries = ['(prefers-color-scheme: dark)', '(forced-colors: active)'].map((query) => matchMedia(query));
  for (const query of queries) query.addEventListener('change', update);
  const observer = new MutationObserver(update);
  observer.observe(document.documentElement, { attributeFilter: ['data-theme', 'style', 'class'] });
  return () => {
    for (const query of queries) query.removeEventListener('change', update);
    observer.disconnect();
  };
});

/**
 * A canvas knows no custom properties, `light-dark()` or rem; an effect that calls this runs again when they change.
 */
export function look(place: Element): Look {
  subscribe();
  const probe = document.createElement('span');
  probe.style.setProperty('forced-color-adjust', 'none');
  probe.style.fontSize = '0.6875rem';
  place.append(probe);
  const style = getComputedStyle(probe);
  const color = ([name, token]: [string, string]) => {
    probe.style.color = `var(${token})`;
    return [name, style.color];
  };
  const colors = Object.fromEntries(Object.entries(TOKENS).map(color)) as Look['colors'];
  const font = { family: style.fontFamily, size: Number.parseFloat(style.fontSize) };
  probe.remove();
  return { colors, font };
}

/** Diagonal stripes: what is drawn with them differs from a plain area without its color. */
export function stripes(color: string, ratio: number): CanvasPattern | string {
  const size = Math.round(6 * ratio);
  const tile = document.createElement('canvas');
  tile.width = tile.height = size;
  const context = tile.getContext('2d');
  if (!context) return color;
  context.strokeStyle = color;
  context.lineWidth = size * 0.4;
  context.beginPath();
  for (const shift of [-size, 0, size]) {
    context.moveTo(shift - 1, size + 1);
    context.lineTo(shift + size + 1, -1);
  }
  context.stroke();
  const pattern = context.createPattern(tile, 'repeat');
  pattern?.setTransform(new DOMMatrix().scale(1 / ratio));
  return pattern ?? color;
}
