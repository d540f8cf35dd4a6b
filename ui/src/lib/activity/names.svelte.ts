import { SvelteMap } from 'svelte/reactivity';
import { getKey } from '../ipc';

const names = new SvelteMap<string, string>();

/** The name of a key that did something to another one, once it is known. */
export const keyName = (keyId: string): string | undefined => names.get(keyId);

/** Learns the name of a key. One whose name cannot be had is called by its identifier, until somebody asks again. */
export async function learnKeyName(keyId: string): Promise<void> {
  if (names.has(keyId)) return;
  names.set(keyId, keyId);
  try {
    names.set(keyId, (await getKey(keyId)).name);
  } catch {
    names.delete(keyId);
  }
}

/** Keeps a name in step. */
export function keyWasRenamed(keyId: string, name: string): void {
  if (names.has(keyId)) names.set(keyId, name);
}
