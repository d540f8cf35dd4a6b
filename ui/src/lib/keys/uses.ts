import { isAhead } from '../i18n/time';
import { getKey, type ApiKey, type KeyUse } from '../ipc';

/** The newest use of each key, by its identifier. */
export type Uses = ReadonlyMap<string, string>;

export const NO_USES: Uses = new Map();

/** Messages may overtake one another, so that an older use never replaces a newer one. */
export function newestUses(known: Uses, more: readonly KeyUse[]): Uses {
  const newest = new Map(known);
  for (const { keyId, lastUsedAt } of more) {
    if (isLater(lastUsedAt, newest.get(keyId) ?? null)) newest.set(keyId, lastUsedAt);
  }
  return newest;
}

/**
 * The uses with what the service tells now of a key. When it tells nothing, whatever one does with the key will tell
 * why.
 */
export async function askForUse(known: Uses, keyId: string): Promise<Uses> {
  const key = await getKey(keyId).catch(() => null);
  return key?.lastUsedAt ? newestUses(known, [{ keyId, lastUsedAt: key.lastUsedAt }]) : known;
}

/** The key with its newest use. */
export function withUse(key: ApiKey, uses: Uses): ApiKey {
  const used = uses.get(key.keyId);
  return used !== undefined && isLater(used, key.lastUsedAt) ? { ...key, lastUsedAt: used } : key;
}

function isLater(time: string, than: string | null): boolean {
  // A use that a clock recorded that was ahead must not hide later ones.
  return than === null || Date.parse(time) > Date.parse(than) || isAhead(than, Date.now());
}
