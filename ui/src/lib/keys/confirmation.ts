import type { ApiKey } from '../ipc';

const DAY = 24 * 60 * 60_000;
/** Words of one script that a keyboard has, each a space apart from the next. */
const TYPABLE = /^(?:[!-~\p{Script=Latin}]+(?: (?!$)|$))+$/u;
const TYPABLE_CHARACTERS = 40;
/** So few are looked through before they are revoked together. */
const MOST_LOOKED_THROUGH = 10;

type Named = Pick<ApiKey, 'name' | 'keyPrefix'>;

/** Whether a program depends on the key, as far as one can tell. */
export function isUsedLately({ lastUsedAt }: Pick<ApiKey, 'lastUsedAt'>, now: number): boolean {
  return lastUsedAt !== null && now - Date.parse(lastUsedAt) < DAY;
}

/** Whether one can expect a person to type the name. For any other the beginning of the key is enough. */
export function isTypable(name: string): boolean {
  const composed = name.normalize('NFC');
  return composed.length <= TYPABLE_CHARACTERS && TYPABLE.test(composed);
}

/** Whether what was typed says which key is meant. */
export function confirms(typed: string, { name, keyPrefix }: Named): boolean {
  const text = typed.trim().normalize('NFC');
  return text === name.trim().normalize('NFC') || (!isTypable(name) && text.replace(/…$/, '') === keyPrefix);
}

/** Whether so many keys are not revoked by a click alone, whenever they were used: one may be used once a day. */
export const needsNumber = (count: number): boolean => count > MOST_LOOKED_THROUGH;

/** Whether what was typed is that number, however its digits are grouped. */
export const confirmsNumber = (typed: string, number: number): boolean =>
  typed.replace(/[\s.,'’]/g, '') === String(number);
