import { SvelteMap } from 'svelte/reactivity';
import type { ApiKey } from '../ipc';
import { partnerOf, type Partner } from './pair';

const partners = new SvelteMap<string, Partner | null>();
/** A key that is used is another object, and still the one that was fetched: it keeps its scopes. */
const asked = new WeakSet<ApiKey['scopes']>();

/** The other key of the rotation that an active key is in, as far as it is known. */
export const rotationOf = (key: ApiKey): Partner | null =>
  key.revokedAt === null ? (partners.get(key.keyId) ?? null) : null;

/** Asks for it, once for each key that was fetched: the list is fetched anew whenever any key is made or revoked. */
export async function findRotation(key: ApiKey): Promise<void> {
  if (key.revokedAt !== null || (key.replaces ?? key.replacedBy) === null || asked.has(key.scopes)) return;
  asked.add(key.scopes);
  try {
    partners.set(key.keyId, await partnerOf(key));
  } catch {
    // The details link the two as well, and say what went wrong.
    asked.delete(key.scopes);
  }
}
