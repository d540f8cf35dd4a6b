import type { Range } from './usage';

const HOUR = { hour: 'numeric', minute: '2-digit' } as const;
const DAY = { day: 'numeric', month: 'short' } as const;

/** At the axis: the hour or the day that begins here, in the local time. */
export function axisMoment(start: number, range: Range, locale: string): string {
  return new Intl.DateTimeFormat(locale, range === 'day' ? HOUR : DAY).format(start);
}

/** In a table, where there is little room: the hour or the day that begins here, with its day of the week. */
export function rowMoment(start: number, range: Range, locale: string): string {
  return new Intl.DateTimeFormat(locale, { weekday: 'short', ...(range === 'day' ? HOUR : DAY) }).format(start);
}

/** Exactly which hour, from when to when, or which day. */
export function exactMoment({ start, end }: { start: number; end: number }, range: Range, locale: string): string {
  if (range === 'month') return rowMoment(start, range, locale);
  return new Intl.DateTimeFormat(locale, { ...DAY, ...HOUR }).formatRange(start, end);
}
