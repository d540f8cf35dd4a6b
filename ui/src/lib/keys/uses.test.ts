import { expect, it } from 'vitest';
import { newestUses, NO_USES, withUse } from './uses';

const key = {
  keyId: 'key',
  name: 'key',
  keyPrefix: 'ul_00000000',
  scopes: ['read' as const],
  createdAt: '2026-01-01T00:00:00Z',
  lastUsedAt: '2026-02-02T00:00:00Z',
  adminUsedAt: null,
  revokedAt: null,
  replaces: null,
  replacedBy: null,
  attention: [],
};

const used = (lastUsedAt: string) => newestUses(NO_USES, [{ keyId: 'key', lastUsedAt }]);

it('moves the last use forward only', () => {
  expect(withUse(key, used('2026-02-01T12:00:00Z'))).toBe(key);
  expect(withUse(key, used('2026-02-03T00:00:00Z')).lastUsedAt).toBe('2026-02-03T00:00:00Z');
  expect(withUse({ ...key, lastUsedAt: null }, used('2026-02-01T00:00:00Z')).lastUsedAt).toBe('2026-02-01T00:00:00Z');
});

it('remembers the newest use, in whatever order they are reported', () => {
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
