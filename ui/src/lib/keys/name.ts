const MAX_NAME_CHARACTERS = 64;

export type NameProblem = 'empty' | 'tooLong' | 'control' | 'containsKey';

// Mirrors `KeyName` of the service, which has the last word.
const CONTROL = /[\p{Cc}\u2028\u2029\u202A-\u202E\u2066-\u2069]/u;
const INVISIBLE =
  /[\s\u00AD\u061C\u115F\u1160\u180E\u200B-\u200F\u2060-\u2064\u3164\uFEFF\uFFA0]|\u034F|[\uFE00-\uFE0F]/gu;
const KEY = /ul_[0-9a-f]{40}/;

/** What is wrong with a name, or `null`. Characters are counted as Unicode code points. */
export function nameProblem(text: string): NameProblem | null {
  const name = text.trim();
  if (KEY.test(name)) return 'containsKey';
  if (Array.from(name).length > MAX_NAME_CHARACTERS) return 'tooLong';
  if (CONTROL.test(name)) return 'control';
  return name.replace(INVISIBLE, '') === '' ? 'empty' : null;
}
