import { expect, it } from 'vitest';
import type { ApiKey } from '../ipc';
import { neighbour, newestUses, NO_USES, withKey, withoutKey, withUses } from './list';

function key(keyId: string, createdAt: string, lastUsedAt: string | null = null): ApiKey {
  return {
    keyId,
    name: keyId,
    keyPrefix: 'ul_00000000',
    scopes: ['read'],
    createdAt,
    lastUsedAt,
    adminUsedAt: null,
    revokedAt: null,
    replaces: null,
    replacedBy: null,
    attention: [],
  };
}

const older = key('older', '2026-01-01T00:00:00Z');
const newer = key('newer', '2026-02-01T00:00:00Z', '2026-02-02T00:00:00Z');
const keys = [newer, older];
const ids = (list: ApiKey[]) => list.map(({ keyId }) => keyId);

it('puts a new key where its date belongs', () => {
  expect(ids(withKey(keys, key('newest', '2026-03-01T00:00:00Z')))).toEqual(['newest', 'newer', 'older']);
  expect(ids(withKey(keys, key('between', '2026-01-15T00:00:00Z')))).toEqual(['newer', 'between', 'older']);
  expect(ids(withKey([], older))).toEqual(['older']);
});

it('lists a key once, however often it is announced', () => {
  expect(withKey(keys, { ...older, name: 'renamed' })).toEqual([newer, { ...older, name: 'renamed' }]);
});

it('removes a key, and does not mind one that is gone', () => {
  expect(ids(withoutKey(keys, 'newer'))).toEqual(['older']);
  expect(withoutKey(keys, 'unknown')).toEqual(keys);
});

it('moves the last use forward only', () => {
  const uses = newestUses(NO_USES, [
    { keyId: 'newer', lastUsedAt: '2026-02-01T12:00:00Z' },
    { keyId: 'older', lastUsedAt: '2026-02-03T00:00:00Z' },
  ]);
  const [first, second] = withUses(keys, uses);
  expect(first?.lastUsedAt).toBe('2026-02-02T00:00:00Z');
  expect(second?.lastUsedAt).toBe('2026-02-03T00:00:00Z');
});

it('remembers the newest use, in whatever order they are told', () => {
  const uses = newestUses(new Map([['known', '2026-02-01T00:00:00Z']]), [
    { keyId: 'key', lastUsedAt: '2026-02-04T00:00:00Z' },
    { keyId: 'key', lastUsedAt: '2026-02-03T00:00:00Z' },
    { keyId: 'known', lastUsedAt: '2026-01-31T00:00:00Z' },
  ]);
  expect([...uses]).toEqual([
    ['known', '2026-02-01T00:00:00Z'],
    ['key', '2026-02-04T00:00:00Z'],
  ]);
});

it('names the row that takes the focus', () => {
  expect(neighbour(keys, 'newer')).toBe(older);
  expect(neighbour(keys, 'older')).toBe(newer);
  expect(neighbour([older], 'older')).toBeUndefined();
});
