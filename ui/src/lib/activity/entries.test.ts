import { expect, it } from 'vitest';
import type { ActivityEntry } from '../ipc';
import { byDay, continued, daysBetween, refreshed, type Listing } from './entries';

const entry = (id: number, keyName = 'ci', at = '2026-11-22T12:00:00Z'): ActivityEntry => ({
  id,
  kind: 'newSource',
  keyId: 'key_0123456789abcdef01234567',
  keyName,
  keyPrefix: 'ul_00000000',
  at,
  peer: '127.0.0.1',
  agent: null,
});
const page = (ids: number[], next: string | null): Listing & { entries: ActivityEntry[] } => ({
  entries: ids.map((id) => entry(id)),
  next,
});
const ids = ({ entries }: Listing) => entries.map(({ id }) => id);

it('puts newer entries before those that were read', () => {
  const known = page([6, 5, 4, 3], '3');
  const now = refreshed(known, page([7, 6, 5], '5'));
  expect([ids(now), now.next]).toEqual([[7, 6, 5, 4, 3], '3']);
});

it('begins anew where entries in between were not read, or nothing is older', () => {
  const gap = refreshed(page([6, 5], '5'), page([20, 19], '19'));
  expect([ids(gap), gap.next]).toEqual([[20, 19], '19']);
  const whole = refreshed(page([6, 5], '5'), page([6], null));
  expect([ids(whole), whole.next]).toEqual([[6], null]);
  expect(ids(refreshed({ entries: [], next: null }, page([2, 1], '1')))).toEqual([2, 1]);
});

it('gives older entries the name of today', () => {
  const known = page([6, 5, 4], '4');
  const now = refreshed(known, { entries: [entry(8, 'newest'), entry(7, 'newest'), entry(6, 'newest')], next: '6' });
  expect(now.entries.map(({ keyName }) => keyName)).toEqual(['newest', 'newest', 'newest', 'newest', 'newest']);
});

it('reads on, and shows no entry twice', () => {
  const now = continued(page([6, 5], '5'), page([5, 4], null));
  expect([ids(now), now.next]).toEqual([[6, 5, 4], null]);
});

it('groups by day of the calendar, also what is out of order', () => {
  const at = (day: number, hour: number) => new Date(2026, 10, day, hour).toISOString();
  const days = byDay([
    entry(4, 'ci', at(22, 0)),
    entry(3, 'ci', at(21, 23)),
    entry(2, 'ci', at(22, 1)),
    entry(1, 'ci', at(20, 12)),
  ]);
  expect(days.map(({ entries }) => entries.map(({ id }) => id))).toEqual([[4, 2], [3], [1]]);
  expect(daysBetween(at(21, 23), new Date(2026, 10, 22, 0).getTime())).toBe(1);
  expect(daysBetween(at(22, 0), new Date(2026, 10, 22, 23).getTime())).toBe(0);
});
