import { HEADING_ID } from './section.svelte';

/** Parts of the window in which one goes on reading, whatever leaves. */
const PARTS = 'main, aside';

/**
 * When what has the focus leaves (the button that worked, for instance) and nothing takes the focus, the heading above
 * it does: a screen reader would else begin at the top of the window. Until the returned function is called.
 */
export function keepFocus(): () => void {
  let focused: HTMLElement | null = null;
  /** In the order of the document. */
  let headings: HTMLElement[] = [];

  function remember({ target }: FocusEvent) {
    // A menu gives the focus back to its button.
    if (!(target instanceof HTMLElement) || target.closest('[role="menu"]')) return;
    focused = target;
    const part = target.closest(PARTS);
    headings = [...(part?.querySelectorAll<HTMLElement>('h1, h2, h3') ?? [])].filter(
      (heading) => heading.compareDocumentPosition(target) & Node.DOCUMENT_POSITION_FOLLOWING,
    );
  }

  const isLost = () => focused?.isConnected === false && document.activeElement === document.body;

  function look() {
    // Whatever made it leave may give the focus to something by itself.
    if (isLost()) setTimeout(handOn);
  }

  function handOn() {
    if (!isLost()) return;
    const above = headings.findLast((heading) => heading.isConnected && heading.checkVisibility());
    const heading = above ?? document.getElementById(HEADING_ID);
    if (!heading) return;
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
  }

  const watcher = new MutationObserver(look);
  watcher.observe(document.body, { childList: true, subtree: true });
  document.addEventListener('focusin', remember);
  return () => {
    watcher.disconnect();
    document.removeEventListener('focusin', remember);
  };
}
