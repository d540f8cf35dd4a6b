import { say } from '../components/toasts.svelte';
import { failureText } from '../i18n/index.svelte';
import { listKeys, toFailure } from '../ipc';
import type { View } from './keys.svelte';
import type { Selection } from './selection.svelte';

/** More than anybody reads before revoking them. */
export const MOST = 500;

/** Selects every key of a view, also those that are not at hand yet. */
export async function selectAll(selection: Selection, view: View): Promise<void> {
  try {
    selection.replace((await listKeys({ ...view, limit: MOST })).keys);
  } catch (reason) {
    say(failureText(toFailure(reason)), 'caution');
  }
}
