import { say, sayFailure } from '../components/toasts.svelte';
import { t } from '../i18n/index.svelte';
import { listKeys, type ApiKey, type KeyList } from '../ipc';
import type { View } from './keys.svelte';
import type { Selection } from './selection.svelte';

/** More than anybody reads before revoking them. */
export const MOST = 500;

/** A key, and the row where it stands. */
export interface Place {
  row: number;
  key: ApiKey;
}

const sayTooMany = (): void => {
  say(t('keys.selectTooMany', { count: MOST }), 'caution');
};

/** Selects keys, or lets them go: all of them, or none where that makes too many. */
export function choose(selection: Selection, keys: readonly ApiKey[], chosen: boolean): void {
  const more = chosen ? keys.filter(({ keyId }) => !selection.has(keyId)).length : 0;
  if (selection.size + more > MOST) sayTooMany();
  else for (const key of keys) selection.set(key, chosen);
}

/** Keys of a view, also those that are not at hand; `null` where nobody waits for them any more. */
async function read(selection: Selection, view: View, skip: number, limit: number): Promise<KeyList | null> {
  const { generation } = selection;
  try {
    const answer = await listKeys({ ...view, skip, limit });
    return selection.generation === generation ? answer : null;
  } catch (reason) {
    sayFailure(reason);
    return null;
  }
}

/** Selects every key of a view. */
export async function selectAll(selection: Selection, view: View): Promise<void> {
  const answer = await read(selection, view, 0, MOST);
  if (answer === null) return;
  if (answer.total > MOST) sayTooMany();
  else choose(selection, answer.keys, true);
}

/** Selects, or lets go, the keys of a view from one to the one that was clicked. */
export async function selectRange(selection: Selection, view: View, from: Place, clicked: Place, chosen: boolean) {
  const [first, last] = from.row < clicked.row ? [from, clicked] : [clicked, from];
  const count = last.row - first.row + 1;
  if (count > MOST) {
    sayTooMany();
    return;
  }
  const answer = await read(selection, view, first.row, count);
  if (answer === null) return;
  const { keys } = answer;
  // Where something moved the rows, only what was clicked is sure to be meant.
  const moved = keys[0]?.keyId !== first.key.keyId || keys.at(-1)?.keyId !== last.key.keyId;
  const meant = moved ? [clicked.key] : keys.filter(({ revokedAt }) => revokedAt === null);
  choose(selection, meant, chosen);
}
