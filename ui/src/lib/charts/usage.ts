import type { Decision, HourlyUsage } from '../ipc';

const HOUR = 3_600_000;
const HOURS = 24;
const DAYS = 30;

export type Range = 'day' | 'month';
export type Rejection = Exclude<Decision, 'accepted'>;

/** The requests of an hour or of a day. */
export interface Bucket {
  start: number;
  end: number;
  accepted: number;
  refused: number;
  /** The most frequent first. */
  causes: { outcome: Rejection; requests: number }[];
}

/** Where the buckets begin, and where the last one ends. Days are those of the person's calendar, of 23 to 25 hours. */
function bounds(range: Range, now: number): number[] {
  if (range === 'day') {
    const last = Math.floor(now / HOUR) * HOUR;
    return Array.from({ length: HOURS + 1 }, (_, index) => last + (index - HOURS + 1) * HOUR);
  }
  const today = new Date(now);
  return Array.from({ length: DAYS + 1 }, (_, index) =>
    new Date(today.getFullYear(), today.getMonth(), today.getDate() + index - DAYS + 1).getTime(),
  );
}

/** How many hours to ask for. */
export function hoursOf(range: Range, now: number): number {
  return Math.ceil((now - (bounds(range, now)[0] ?? now)) / HOUR);
}

/**
 * The requests by hour or by day, the oldest first, with those in which nothing happened. Uses are counted by hours of
 * UTC; where the day begins within one, that hour belongs to the day in which it begins.
 */
export function buckets(uses: readonly HourlyUsage[], range: Range, now: number): Bucket[] {
  const all = bounds(range, now);
  const found = all.slice(0, -1).map((start, index): Bucket => {
    return { start, end: all[index + 1] ?? start, accepted: 0, refused: 0, causes: [] };
  });
  for (const { hour, outcome, requests } of uses) {
    const moment = Date.parse(hour);
    const bucket = found.find(({ start, end }) => start <= moment && moment < end);
    if (!bucket) continue;
    if (outcome === 'accepted') {
      bucket.accepted += requests;
      continue;
    }
    bucket.refused += requests;
    const cause = bucket.causes.find((cause) => cause.outcome === outcome);
    if (cause) cause.requests += requests;
    else bucket.causes.push({ outcome, requests });
  }
  for (const { causes } of found) causes.sort((one, other) => other.requests - one.requests);
  return found;
}

export function totals(found: readonly Bucket[]): { accepted: number; refused: number } {
  const sum = (of: 'accepted' | 'refused') => found.reduce((all, bucket) => all + bucket[of], 0);
  return { accepted: sum('accepted'), refused: sum('refused') };
}
