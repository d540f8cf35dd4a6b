import { expect, it } from 'vitest';
import { firstUse, hasMoved, verdict } from './verdict';

const at = (time: string) => `2026-02-02T${time}:00Z`;
const now = Date.parse(at('12:00'));

it.each([
  [null, null, null, 'waiting'],
  [at('11:59'), null, null, 'waiting'],
  [null, at('11:58'), at('11:59'), 'moved'],
  // Silent since the first use of the new key.
  [at('11:57'), at('11:58'), at('11:59'), 'moved'],
  // Both are in use, and the new one happens to be the later.
  [at('11:58'), at('11:30'), at('11:59'), 'oldInUse'],
  // The new key was tried, and the old one went on.
  [at('11:59'), at('11:30'), at('11:30'), 'oldInUse'],
  // Somebody was late, but has been silent for long.
  [at('10:59'), at('10:00'), at('11:59'), 'moved'],
  // All are silent, and the old one was the last.
  [at('10:59'), at('10:00'), at('10:00'), 'oldInUse'],
  // The programs of the new key are not told yet.
  [at('11:57'), null, at('11:59'), 'moved'],
])('old %s, new from %s to %s: %s', (old, first, last, expected) => {
  expect(verdict(old, { first, last }, 0, now)).toBe(expected);
});

it('does not take a program for moved that has not used the new key', () => {
  const next = { first: at('11:58'), last: at('11:59') };
  expect(verdict(at('11:57'), next, 1, now)).toBe('someMoved');
  expect(verdict(at('11:58'), next, 1, now)).toBe('oldInUse');
  expect(verdict(null, next, 0, now)).toBe('moved');
});

const source = (agent: string, firstUsedAt: string, lastUsedAt: string) => ({
  agent,
  peer: '127.0.0.1',
  firstUsedAt,
  lastUsedAt,
  requests: 1,
});

it('knows the first use of all programs', () => {
  expect(firstUse([])).toBeNull();
  expect(firstUse([source('b', at('11:00'), at('11:30')), source('a', at('10:00'), at('10:00'))])).toBe(at('10:00'));
});

it('knows which program has moved', () => {
  const old = source('a', at('10:00'), at('11:00'));
  expect(hasMoved(old, [source('a', at('11:01'), at('11:01'))])).toBe(true);
  expect(hasMoved(old, [source('a', at('10:30'), at('10:59'))])).toBe(false);
  expect(hasMoved(old, [source('b', at('11:01'), at('11:01'))])).toBe(false);
  const updated = source('curl/8.9', at('11:01'), at('11:01'));
  expect(hasMoved(source('curl/8.8', at('10:00'), at('11:00')), [updated])).toBe(true);
  expect(hasMoved(source('curl/8.8', at('10:00'), at('11:00')), [{ ...updated, peer: '10.0.0.1' }])).toBe(false);
});
