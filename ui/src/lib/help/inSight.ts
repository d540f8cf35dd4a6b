import { distance } from '../components/distance';
import { scroller } from '../shell/scroller.svelte';

/**
 * Scrolls to the end of an answer, below the question that somebody may still be writing, as far as that stays in
 * sight.
 */
export function bringIntoSight(question: HTMLElement, whole: HTMLElement): void {
  const page = scroller();
  if (!page) return;
  const box = question.getBoundingClientRect();
  const bars = [...document.querySelectorAll('[data-stays]')]
    .map((bar) => bar.getBoundingClientRect())
    .filter((bar) => bar.top <= 0 && bar.left < box.right && bar.right > box.left);
  const seen = page.getBoundingClientRect();
  const top = Math.max(seen.top, ...bars.map(({ bottom }) => bottom));
  const passed = distance({ begin: box.top, end: whole.getBoundingClientRect().bottom }, { top, bottom: seen.bottom });
  if (passed > 0) page.scrollBy({ top: passed });
}
