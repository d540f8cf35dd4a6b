import { distance } from '../components/distance';

/** Scrolls the window to what has appeared, to its beginning where the window is lower than it. */
export function intoSight(element: HTMLElement): void {
  const window = document.getElementById('app');
  if (!window) return;
  const seen = window.getBoundingClientRect();
  const bar = document.querySelector('[data-foot]')?.getBoundingClientRect();
  const box = element.getBoundingClientRect();
  // In a low window, the bar with the window's buttons comes after the content and covers nothing.
  const bottom = bar && bar.bottom <= seen.bottom && bar.top < box.bottom ? bar.top : seen.bottom;
  const passed = distance({ begin: box.top, end: box.bottom }, { top: seen.top, bottom });
  if (passed > 0) window.scrollBy({ top: passed });
}

/** The same whenever the window or the element gets another size: a question stays in sight until it is answered. */
export function staysInSight(element: HTMLElement): () => void {
  const sizes = new ResizeObserver(() => intoSight(element));
  sizes.observe(element);
  const window = document.getElementById('app');
  if (window) sizes.observe(window);
  return () => sizes.disconnect();
}
