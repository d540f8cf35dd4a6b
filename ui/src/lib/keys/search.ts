/** How long a page keeps what a person pasted that holds a key. */
export const FORGET_MS = 2 * 60_000;

/** A key, or more of one than the list shows. */
const KEY = /ul_[0-9a-f]{9,}/gi;
/** As much of a key as the list shows. */
const PREFIX_LENGTH = 11;

/** A beginning as the list shows it. */
const SHOWN_PREFIX = /(ul_[0-9a-f]{8})…/gi;

/** What to search for. Of a pasted key, only the beginning, which the list shows anyway. */
export function searchable(text: string): { text: string; shortened: boolean } {
  const shortened = text.replace(KEY, (key) => key.slice(0, PREFIX_LENGTH));
  return { text: shortened.replace(SHOWN_PREFIX, '$1'), shortened: shortened !== text };
}
