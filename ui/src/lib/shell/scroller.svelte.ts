let element = $state.raw<HTMLElement | null>(null);

/** The one element of the window that scrolls. */
export const scroller = (): HTMLElement | null => element;

export function setScroller(scrolling: HTMLElement): () => void {
  element = scrolling;
  return () => (element = null);
}
