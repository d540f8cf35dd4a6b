import { afterEach, expect, it, vi } from 'vitest';
import { exactTime, isAhead, relativeTime, timeOfDay } from './time';

afterEach(() => vi.unstubAllEnvs());

const now = Date.parse('2026-11-22T12:00:00Z');
const ago = (iso: string, locale = 'en') => relativeTime(iso, now, locale, 'just now');

it.each([
  ['2026-11-22T11:59:01Z', 'just now'],
  ['2026-11-22T12:00:59Z', 'just now'],
  ['2026-11-22T11:59:00Z', '1 minute ago'],
  ['2026-11-22T11:00:01Z', '59 minutes ago'],
  ['2026-11-22T11:00:00Z', '1 hour ago'],
  ['2026-11-21T12:00:01Z', '23 hours ago'],
  ['2026-11-20T12:00:00Z', '2 days ago'],
])('tells %s as %s', (iso, words) => expect(ago(iso)).toBe(words));

it('tells a date once a distance says little, and for a clock that runs ahead', () => {
  expect(ago('2026-10-23T11:00:00Z')).toBe('Oct 23, 2026');
  expect(ago('2027-01-02T12:00:00Z')).toBe('Jan 2, 2027');
});

it('has dates in which no line breaks', () => {
  expect(ago('2026-10-20T12:00:00Z', 'de')).toBe('20.10.2026');
  expect(ago('2026-10-20T12:00:00Z', 'pt-BR')).toBe('20/10/2026');
});

it('speaks German', () => {
  expect(ago('2026-11-22T11:58:00Z', 'de')).toBe('vor 2 Minuten');
});

it('tells the time of day below the name of a day, and a distance today', () => {
  vi.stubEnv('TZ', 'America/Sao_Paulo');
  const below = (iso: string, locale = 'en') => timeOfDay(iso, now, locale, 'just now');
  expect(below('2026-11-22T11:59:30Z')).toBe('just now');
  expect(below('2026-11-22T03:00:00Z')).toBe('9 hours ago');
  // Yesterday there, and today in Greenwich.
  expect(below('2026-11-22T02:59:00Z')).toMatch(/^11:59\sPM$/);
  expect(below('2026-10-12T17:05:59Z')).toMatch(/^2:05\sPM$/);
  expect(below('2026-10-12T17:05:00Z', 'de')).toBe('14:05');
  expect(below('2026-10-12T17:05:00Z', 'pt-BR')).toBe('14:05');
  expect(below('2026-11-22T13:00:00Z')).toMatch(/^10:00\sAM$/);
});

it('names the time zone', () => {
  expect(exactTime('2026-11-22T11:58:07Z', 'en')).toMatch(/2026.*:07.*[A-Z]{2,}/);
});

it('knows a moment that no right clock has recorded', () => {
  expect(isAhead('2026-11-22T12:04:59Z', now)).toBe(false);
  expect(isAhead('2026-11-22T12:05:01Z', now)).toBe(true);
});
