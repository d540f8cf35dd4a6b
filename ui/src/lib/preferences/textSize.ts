/** The sizes of the text that can be chosen, in percent. */
export const TEXT_SIZES: readonly number[] = [100, 125, 150, 200];

type Pressed = Pick<KeyboardEvent, 'key' | 'altKey' | 'ctrlKey' | 'metaKey'>;

/** The size that a key asks for, as browsers have it: larger, smaller or as usual. */
export function sizeAfter({ key, altKey, ctrlKey, metaKey }: Pressed, present: number): number | null {
  if (altKey || ctrlKey === metaKey) return null;
  if (key === '0') return 100;
  if (key === '+' || key === '=') return TEXT_SIZES.find((size) => size > present) ?? present;
  if (key === '-') return TEXT_SIZES.findLast((size) => size < present) ?? present;
  return null;
}
