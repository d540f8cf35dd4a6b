/** Between what is brought into sight and the edge. */
const GAP = 16;

/** How far to scroll down to see what ends at `end`, without losing what begins at `begin`. */
export function distance(
  { begin, end }: { begin: number; end: number },
  { top, bottom }: { top: number; bottom: number },
): number {
  return Math.max(0, Math.min(end - bottom + GAP, begin - top - GAP));
}
