import { expect, it } from 'vitest';
import { confirms, confirmsNumber, isTypable, isUsedLately, needsNumber } from './confirmation';

const keyPrefix = 'ul_a1b2c3d4';

it.each(['ci-pipeline', 'a', 'Göteborg lab 2', 'x'.repeat(40), "O'Brien & <b>"])('expects %j to be typed', (name) => {
  expect(isTypable(name)).toBe(true);
  expect(confirms(keyPrefix, { name, keyPrefix })).toBe(false);
});

it.each(['😀'.repeat(64), 'مفتاح', '學習', 'Z̸͖͋a̷͇͌l̶̳̇g̷̱̈o̵̜͐', 'two  spaces', 'no\u00A0break', 'zero\u200Bwidth', 'x'.repeat(41)])(
  'takes the beginning of the key for %j as well',
  (name) => {
    expect(isTypable(name)).toBe(false);
    for (const typed of [name, keyPrefix, ` ${keyPrefix}… `]) expect(confirms(typed, { name, keyPrefix })).toBe(true);
    expect(confirms('ul_a1b2c3d', { name, keyPrefix })).toBe(false);
  },
);

it('wants the name exactly, but for how its characters are composed', () => {
  const key = { name: 'Café', keyPrefix };
  for (const typed of ['Café', ' Café\t', 'Cafe\u0301']) expect(confirms(typed, key)).toBe(true);
  for (const typed of ['', 'café', 'Cafe', 'Caf']) expect(confirms(typed, key)).toBe(false);
});

it('knows a number however it is grouped', () => {
  for (const typed of ['1200', '1,200', '1.200', '1 200', ' 1’200 ']) expect(confirmsNumber(typed, 1200)).toBe(true);
  for (const typed of ['', '120', '01200', '1200 keys']) expect(confirmsNumber(typed, 1200)).toBe(false);
});

it('lets up to ten keys be revoked by a click', () => {
  expect([1, 10, 11, 500].map(needsNumber)).toEqual([false, false, true, true]);
});

it('counts the last 24 hours', () => {
  const now = Date.parse('2026-02-02T12:00:00Z');
  expect(isUsedLately({ lastUsedAt: null }, now)).toBe(false);
  expect(isUsedLately({ lastUsedAt: '2026-02-01T12:00:01Z' }, now)).toBe(true);
  expect(isUsedLately({ lastUsedAt: '2026-02-01T12:00:00Z' }, now)).toBe(false);
  expect(isUsedLately({ lastUsedAt: '2026-02-02T12:01:00Z' }, now)).toBe(true);
});
