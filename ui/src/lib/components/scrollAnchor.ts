/**
 * What a person may be about to click. A row counts as a whole: what is in it moves when the row gets another layout.
 */
const TARGETS = ['[data-row]', 'a, button, input, select, textarea, summary, label, [role="tab"]'];

/** How long virtua may take to put rows back after the content has changed, in milliseconds. */
const SETTLING_MS = 150;

/** Something in the page, where its top was when the mouse was last moved, and what it came after. */
interface Place {
  element: Element;
  top: number;
  after: Element | null;
}

const topOf = (element: Element) => element.getBoundingClientRect().top;

/** How much room stands above and below the content, in pixels. */
export interface Room {
  above: number;
  below: number;
}

/** The room that puts back what has moved down by `moved` pixels, after it was scrolled as far as possible. */
export function roomAfter({ above, below }: Room, moved: number): Room {
  const less = Math.min(Math.max(moved, 0), above);
  return { above: above - less + Math.max(-moved, 0), below: below + Math.max(moved, 0) - less };
}

/**
 * Keeps what is below the mouse where it is while something appears above it, leaves, or gets another height: the next
 * click would hit something else. WebKit has no scroll anchoring of its own (CSS `overflow-anchor`), and none works
 * where a page cannot be scrolled that far. There `--room-above` and `--room-below` are what the content needs to be
 * longer, until the mouse leaves it.
 *
 * For the content of the element with `data-scrolls`, or for that element.
 */
export function scrollAnchor(content: HTMLElement): () => void {
  const scroller = content.closest<HTMLElement>('[data-scrolls]');
  if (!scroller) return () => undefined;
  /** What is below the mouse, then what comes after it, from near to far: it is kept where that has left. */
  let places: Place[] = [];
  let room: Room = { above: 0, below: 0 };
  let scrollHeight = 0;
  /** When the content changed last. */
  let changedAt = -Infinity;
  /** Where the mouse was last. WebKit repeats its events while the page scrolls below it. */
  let mouse = { x: 0, y: 0 };

  const setRoom = (wanted: Room) => {
    if (wanted.above !== room.above) scroller.style.setProperty('--room-above', `${String(wanted.above)}px`);
    if (wanted.below !== room.below) scroller.style.setProperty('--room-below', `${String(wanted.below)}px`);
    room = wanted;
  };

  const hold = (element: Element) => {
    places = [{ element, top: topOf(element), after: null }];
    for (let after: Element | null = element; after && after !== content; after = after.parentElement) {
      const next = after.nextElementSibling;
      if (next && next.getBoundingClientRect().height > 0) places.push({ element: next, top: topOf(next), after });
    }
    ({ scrollHeight } = scroller);
  };

  const remember = () => {
    for (const place of places) place.top = topOf(place.element);
    ({ scrollHeight } = scroller);
  };

  const letGo = () => {
    places = [];
  };

  /** While the list scrolls, virtua lets the mouse through its rows. */
  const rowAt = (around: Element, x: number, y: number) =>
    [...around.querySelectorAll('[data-row]')].find((row) => {
      const { left, right, top, bottom } = row.getBoundingClientRect();
      return x >= left && x <= right && y >= top && y <= bottom;
    });

  const pointed = ({ target, pointerType, clientX: x, clientY: y }: PointerEvent) => {
    if (!(target instanceof Element) || pointerType === 'touch') return;
    if (places.length === 0 && mouse.x === x && mouse.y === y) return;
    mouse = { x, y };
    const found = TARGETS.map((selector) => target.closest(selector)).find((it) => it !== null) ?? rowAt(target, x, y);
    // What is in another scrolling element, or does not scroll, stays by itself.
    const isScrolled = !target.closest('[data-stays], [data-foot]') && target.closest('[data-scrolls]') === scroller;
    if (found && content.contains(found) && isScrolled) hold(found);
    else letGo();
  };

  /** A row that went elsewhere by itself is not followed. */
  const isReordered = () => {
    const next = places[1];
    return next?.after?.isConnected && next.element.isConnected && next.after.nextElementSibling !== next.element;
  };

  const keep = () => {
    if (places.length === 0) return;
    const kept = places.find(({ element }) => element.isConnected);
    if (!kept || isReordered()) {
      letGo();
      if (!kept) setRoom({ above: 0, below: 0 });
      return;
    }
    const moved = () => Math.round(topOf(kept.element) - kept.top);
    if (moved() !== 0) {
      scroller.scrollBy({ top: moved(), behavior: 'instant' });
      const rest = moved();
      // Other content has taken the place of what was there.
      if (Math.abs(rest) > scroller.clientHeight / 2) letGo();
      else if (rest !== 0) {
        setRoom(roomAfter(room, rest));
        scroller.scrollBy({ top: moved(), behavior: 'instant' });
      }
    }
    remember();
  };

  const changed = () => {
    changedAt = performance.now();
    keep();
  };

  /** The content became too short for where it was; or virtua put rows back in its own way; or the page scrolls. */
  const scrolled = () => {
    const isSettling = performance.now() - changedAt < SETTLING_MS && places[0]?.element.matches('[data-row]');
    if (scroller.scrollHeight !== scrollHeight || isSettling) keep();
    else remember();
  };

  const left = () => {
    letGo();
    setRoom({ above: 0, below: 0 });
  };

  /**
   * A person who scrolls wants it to move, and one at the keyboard looks elsewhere. Escape closes something, and the
   * mouse may be next.
   */
  const pressed = ({ key }: KeyboardEvent) => {
    if (key !== 'Escape') letGo();
  };

  const changes = new MutationObserver(changed);
  changes.observe(content, { subtree: true, childList: true, characterData: true, attributes: true });
  const sizes = new ResizeObserver(changed);
  sizes.observe(content);
  const listening = new AbortController();
  const { signal } = listening;
  content.addEventListener('pointermove', pointed, { signal });
  content.addEventListener('pointerdown', pointed, { signal });
  content.addEventListener('pointerleave', left, { signal });
  scroller.addEventListener('scroll', scrolled, { signal });
  scroller.addEventListener('wheel', letGo, { signal, passive: true });
  document.addEventListener('keydown', pressed, { signal, capture: true });
  return () => {
    changes.disconnect();
    sizes.disconnect();
    listening.abort();
  };
}
