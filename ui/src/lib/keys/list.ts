import type { ApiKey, KeyUse } from '../ipc';

/** Newest first; a key that is already listed keeps its place. */
export function withKey(keys: readonly ApiKey[], key: ApiKey): ApiKey[] {
  if (keys.some(({ keyId }) => keyId === key.keyId)) {
    return keys.map((listed) => (listed.keyId === key.keyId ? key : listed));
  }
  const position = keys.findIndex(({ createdAt }) => Date.parse(createdAt) <= Date.parse(key.createdAt));
  return position < 0 ? [...keys, key] : [...keys.slice(0, position), key, ...keys.slice(position)];
}

export function withoutKey(keys: readonly ApiKey[], keyId: string): ApiKey[] {
  return keys.filter((key) => key.keyId !== keyId);
}

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

export function withUses(keys: readonly ApiKey[], uses: Uses): ApiKey[] {
  return keys.map((key) => {
    const used = uses.get(key.keyId);
    return used !== undefined && isLater(used, key.lastUsedAt) ? { ...key, lastUsedAt: used } : key;
  });
}

function isLater(time: string, than: string | null): boolean {
  return than === null || Date.parse(time) > Date.parse(than);
}

/** The key whose row takes the focus when the row of `keyId` leaves. */
export function neighbour(keys: readonly ApiKey[], keyId: string): ApiKey | undefined {
  const index = keys.findIndex((key) => key.keyId === keyId);
  return index < 0 ? undefined : (keys[index + 1] ?? keys[index - 1]);
}
