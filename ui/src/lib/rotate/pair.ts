import { getKey, type ApiKey } from '../ipc';

/** A key that is to be replaced, and the active one in its place, if there is one yet. */
export interface Pair {
  old: ApiKey;
  next: ApiKey | null;
}

async function active(keyId: string | null): Promise<ApiKey | null> {
  if (keyId === null) return null;
  const key = await getKey(keyId);
  return key.revokedAt === null ? key : null;
}

/** The active key that makes an active key one of the two of a rotation, and whether it is the new one. */
export interface Partner {
  key: ApiKey;
  isNew: boolean;
}

/** The other key of a rotation that has begun and not ended, where a key is in one. */
export async function partnerOf(key: ApiKey): Promise<Partner | null> {
  const next = await active(key.replacedBy);
  if (next !== null) return { key: next, isNew: true };
  const old = await active(key.replaces);
  return old && { key: old, isNew: false };
}

/** The old key as it is now, with the newest active one in its place. */
export async function pairOf(oldId: string): Promise<Pair> {
  const old = await getKey(oldId);
  return { old, next: await active(old.replacedBy) };
}

/** The rotation that a key takes part in, as the old or as the new one; a key without any is itself to be replaced. */
export async function findPair(keyId: string): Promise<Pair> {
  const own = await pairOf(keyId);
  const replaced = own.next === null ? await active(own.old.replaces) : null;
  return replaced === null ? own : pairOf(replaced.keyId);
}
