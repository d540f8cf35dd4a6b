import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { ApiKey, KeyCounts, KeyList, KeyQuery } from '../ipc';
import { Keys } from './keys.svelte';

const listKeys = vi.hoisted(() => vi.fn<(query: KeyQuery) => Promise<KeyList>>());
const countKeys = vi.hoisted(() => vi.fn<() => Promise<KeyCounts>>());
vi.mock('../ipc', async (original) => ({ ...(await original()), listKeys, countKeys }));

const COUNTS: KeyCounts = { active: 0, attention: 0, revoked: 3 };
const BUSY = { error: 'busy', code: 'DATABASE_BUSY' };

/** So many keys, called by the order in which they are asked for. */
const answer =
  (total: number) =>
  ({ sort = '-createdAt', skip = 0, limit = 50 }: KeyQuery): Promise<KeyList> => {
    const keys = Array.from({ length: Math.min(limit, total - skip) }, (_, index) => ({
      keyId: `${sort} ${String(skip + index)}`,
      lastUsedAt: null,
    }));
    return Promise.resolve({ keys: keys as unknown as ApiKey[], total, next: null });
  };

beforeEach(() => {
  vi.useFakeTimers();
  listKeys.mockReset().mockImplementation(answer(0));
  countKeys.mockReset().mockResolvedValue(COUNTS);
});
afterEach(() => vi.useRealTimers());

it('says that the keys could not be counted, and counts them the next time', async () => {
  countKeys.mockRejectedValueOnce(BUSY);
  const keys = new Keys();
  await keys.load();
  expect(keys.failure?.code).toBe('DATABASE_BUSY');
  keys.show({ text: 'x' });
  await vi.runAllTimersAsync();
  expect(keys.failure).toBeNull();
  expect(keys.counts).toEqual(COUNTS);
});

it('keeps the newest numbers, whichever answer comes last', async () => {
  const keys = new Keys();
  let first: (counts: KeyCounts) => void = () => undefined;
  countKeys.mockReturnValueOnce(new Promise((resolve) => (first = resolve)));
  void keys.load();
  await vi.runAllTimersAsync();
  await keys.load();
  first({ ...COUNTS, active: 7 });
  await vi.runAllTimersAsync();
  expect(keys.counts).toEqual(COUNTS);
});

it('never shows rows of two orders together', async () => {
  listKeys.mockImplementation(answer(200));
  const keys = new Keys();
  await keys.load();
  listKeys.mockRejectedValueOnce(BUSY);
  keys.show({ sort: 'name' });
  await vi.runAllTimersAsync();
  keys.need({ first: 40, last: 60 });
  await vi.runAllTimersAsync();
  expect([keys.at(40)?.keyId, keys.at(60)?.keyId]).toEqual(['name 40', 'name 60']);
});

it('moves while one key is made after the other', async () => {
  const keys = new Keys();
  await keys.load();
  listKeys.mockClear();
  for (let made = 0; made < 20; made += 1) {
    keys.apply({ type: 'created' } as never);
    await vi.advanceTimersByTimeAsync(30);
  }
  expect(listKeys.mock.calls.length).toBeGreaterThan(5);
});
