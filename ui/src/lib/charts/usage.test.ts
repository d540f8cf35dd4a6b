import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Decision, HourlyUsage } from '../ipc';
import { buckets, hoursOf, totals } from './usage';

const HOUR = 3_600_000;
const use = (hour: string, requests: number, outcome: Decision = 'accepted'): HourlyUsage => ({
  hour,
  outcome,
  requests,
});
const local = (moment: number) => new Date(moment).toString().slice(0, 24);

afterEach(() => vi.unstubAllEnvs());

describe('the last day', () => {
  const now = Date.parse('2026-11-22T10:42:00Z');

  it('is 24 hours, with those in which nothing happened', () => {
    const found = buckets([use('2026-11-22T10:00:00Z', 3), use('2026-11-21T11:00:00Z', 2)], 'day', now);
    expect(found).toHaveLength(24);
    expect(found.map(({ accepted }) => accepted)).toEqual([2, ...Array<number>(22).fill(0), 3]);
    expect(found.every(({ start, end }) => end - start === HOUR)).toBe(true);
    expect(hoursOf('day', now)).toBe(24);
  });

  it('leaves out what was before and what is still to come', () => {
    const found = buckets([use('2026-11-21T10:00:00Z', 1), use('2026-11-22T11:00:00Z', 1)], 'day', now);
    expect(totals(found)).toEqual({ accepted: 0, refused: 0 });
  });

  it('tells accepted from refused, and the most frequent cause first', () => {
    const hour = '2026-11-22T09:00:00Z';
    const found = buckets([use(hour, 5), use(hour, 1, 'limit'), use(hour, 2, 'scope')], 'day', now);
    expect(found.at(-2)).toMatchObject({
      accepted: 5,
      refused: 3,
      causes: [
        { outcome: 'scope', requests: 2 },
        { outcome: 'limit', requests: 1 },
      ],
    });
    expect(totals(found)).toEqual({ accepted: 5, refused: 3 });
  });
});

describe('the last month', () => {
  it.each([
    // Clocks are put back on the 25th of October 2026 in Berlin: a day of 25 hours.
    ['Europe/Berlin', '2026-11-01T12:00:00Z', '2026-10-25', 25],
    // And forward on the 29th of March: a day of 23 hours.
    ['Europe/Berlin', '2026-04-02T12:00:00Z', '2026-03-29', 23],
    ['America/New_York', '2026-11-10T12:00:00Z', '2026-11-01', 25],
    ['UTC', '2026-11-10T12:00:00Z', '2026-11-01', 24],
  ])('in %s is 30 days of the calendar, also where one is longer (%s)', (zone, at, day, hours) => {
    vi.stubEnv('TZ', zone);
    const found = buckets([], 'month', Date.parse(at));
    expect(found).toHaveLength(30);
    expect(found.every(({ start }) => local(start).endsWith('00:00:00'))).toBe(true);
    const changed = found.find(({ start }) => start === new Date(`${day}T00:00:00`).getTime());
    expect(changed && (changed.end - changed.start) / HOUR).toBe(hours);
    expect(found.slice(1).every(({ start }, index) => start === found[index]?.end)).toBe(true);
  });

  it('counts each hour for the local day', () => {
    vi.stubEnv('TZ', 'America/Sao_Paulo');
    const now = Date.parse('2026-11-22T10:42:00Z');
    // 23:00 on the 21st and 00:00 on the 22nd, there.
    const found = buckets([use('2026-11-22T02:00:00Z', 1), use('2026-11-22T03:00:00Z', 10)], 'month', now);
    expect(found.slice(-2).map(({ accepted }) => accepted)).toEqual([1, 10]);
  });

  it('counts an hour within which the day begins for the day before', () => {
    vi.stubEnv('TZ', 'Asia/Kolkata');
    const now = Date.parse('2026-11-22T10:42:00Z');
    // 23:30 to 00:30, there.
    const found = buckets([use('2026-11-21T18:00:00Z', 1)], 'month', now);
    expect(found.slice(-2).map(({ accepted }) => accepted)).toEqual([1, 0]);
  });

  it('asks for all of its hours', () => {
    vi.stubEnv('TZ', 'Europe/Berlin');
    const now = Date.parse('2026-11-01T12:10:00Z');
    const first = buckets([], 'month', now)[0];
    expect(now - hoursOf('month', now) * HOUR).toBeLessThanOrEqual(first?.start ?? 0);
    expect(hoursOf('month', now)).toBe(29 * 24 + 1 + 14);
  });
});
