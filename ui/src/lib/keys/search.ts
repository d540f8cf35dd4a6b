const KEY = /ul_[0-9a-f]{40}/gi;
/** As much of a key as the list shows. */
const PREFIX_LENGTH = 11;

/** What to search for. Of a whole key that somebody pasted, only the beginning, which the list shows anyway. */
export function searchable(text: string): { text: string; shortened: boolean } {
  const shortened = text.replace(KEY, (key) => key.slice(0, PREFIX_LENGTH));
  return { text: shortened, shortened: shortened !== text };
}
