import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { KeyCounts, KeyList, KeyQuery } from '../ipc';
import { Keys } from './keys.svelte';

const listKeys = vi.hoisted(() => vi.fn<(query: KeyQuery) => Promise<KeyList>>());
const countKeys = vi.hoisted(() => vi.fn<() => Promise<KeyCounts>>());
vi.mock('../ipc', async (original) => ({ ...(await original()), listKeys, countKeys }));

const COUNTS: KeyCounts = { active: 0, attention: 0, revoked: 3 };
const BUSY = { error: 'busy', code: 'DATABASE_BUSY' };

beforeEach(() => {
  vi.useFakeTimers();
  listKeys.mockReset().mockResolvedValue({ keys: [], total: 0, next: null });
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
