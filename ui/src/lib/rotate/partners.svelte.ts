import { SvelteMap } from 'svelte/reactivity';
import type { ApiKey } from '../ipc';
import { partnerOf, type Partner } from './pair';

const partners = new SvelteMap<string, Partner | null>();
const asked = new WeakSet<ApiKey>();

/** The other key of the rotation that an active key is in, as far as it is known. */
export const rotationOf = (key: ApiKey): Partner | null =>
  key.revokedAt === null ? (partners.get(key.keyId) ?? null) : null;

/** Asks for it, once for each state of a key: the list is fetched anew whenever any key is made or revoked. */
export async function findRotation(key: ApiKey): Promise<void> {
  if (key.revokedAt !== null || (key.replaces ?? key.replacedBy) === null || asked.has(key)) return;
  asked.add(key);
  try {
    partners.set(key.keyId, await partnerOf(key));
  } catch {
    // The details link the two as well, and say what went wrong.
    asked.delete(key);
  }
}
