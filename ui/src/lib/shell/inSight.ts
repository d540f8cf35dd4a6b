import { scroller } from './scroller.svelte';

/** Between what has the focus and a bar beside it. */
const GAP = 8;

/**
 * Scrolls what the keyboard leads to out from under a bar that stays (`data-stays`) while the page is scrolled: WebKit
 * heeds neither scroll-padding nor scroll-margin for what is in the window already. What the mouse is on stays there.
 */
export function keepInSight({ target }: FocusEvent): void {
  if (!(target instanceof HTMLElement) || !target.matches(':focus-visible') || target.closest('[data-stays]')) return;
  for (const bar of document.querySelectorAll('[data-stays]')) {
    const own = target.getBoundingClientRect();
    const other = bar.getBoundingClientRect();
    if (own.right <= other.left || own.left >= other.right) continue;
    if (own.bottom <= other.top || own.top >= other.bottom) continue;
    const above = other.top <= 0;
    scroller()?.scrollBy({ top: above ? own.top - other.bottom - GAP : own.bottom - other.top + GAP });
  }
}
