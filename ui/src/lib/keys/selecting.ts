import { say, sayFailure } from '../components/toasts.svelte';
import { t } from '../i18n/index.svelte';
import { listKeys, type ApiKey } from '../ipc';
import type { View } from './keys.svelte';
import type { Rows } from './pages';
import type { Selection } from './selection.svelte';

/** More than anybody reads before revoking them. */
export const MOST = 500;

/** Says why so many are not selected together. */
export const sayTooMany = (): void => {
  say(t('keys.selectTooMany', { count: MOST }), 'caution');
};

/** Keys of a view, also those that are not at hand. */
async function read(view: View, skip: number, limit: number): Promise<ApiKey[]> {
  try {
    return (await listKeys({ ...view, skip, limit })).keys;
  } catch (reason) {
    sayFailure(reason);
    return [];
  }
}

/** Selects every key of a view. */
export async function selectAll(selection: Selection, view: View): Promise<void> {
  for (const key of await read(view, 0, MOST)) selection.set(key, true);
}

/** Selects, or lets go, the keys of these rows of a view. */
export async function selectRange(selection: Selection, view: View, { first, last }: Rows, chosen: boolean) {
  const count = last - first + 1;
  if (count > MOST) {
    sayTooMany();
    return;
  }
  for (const key of await read(view, first, count)) if (key.revokedAt === null) selection.set(key, chosen);
}
