const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** After this many days a date says more than a distance. */
const DAYS_AS_DISTANCE = 30;

const DIGITS = { day: '2-digit', month: '2-digit', year: 'numeric' } as const;

/** The date, as short as a column of dates needs it; Portuguese has words in a date of medium length. */
export function shortDate(iso: string, locale: string): string {
  const style = locale.startsWith('pt') ? DIGITS : ({ dateStyle: 'medium' } as const);
  return new Intl.DateTimeFormat(locale, style).format(Date.parse(iso));
}

/** Clocks are set back by seconds now and then. The same as in the service. */
const CLOCK_TOLERANCE = 5 * MINUTE;

/** Whether a moment lies in the future: a clock that was wrong recorded it, and nobody knows when it was. */
export function isAhead(iso: string, now: number): boolean {
  return Date.parse(iso) > now + CLOCK_TOLERANCE;
}

/** How long ago a moment was, in words; clocks that differ by less than a minute do not matter. */
export function relativeTime(iso: string, now: number, locale: string, justNow: string): string {
  const moment = Date.parse(iso);
  const passed = now - moment;
  if (Math.abs(passed) < MINUTE) return justNow;
  if (passed < 0 || passed >= DAYS_AS_DISTANCE * DAY) return shortDate(iso, locale);
  const format = new Intl.RelativeTimeFormat(locale, { numeric: 'always' });
  if (passed < HOUR) return format.format(-Math.floor(passed / MINUTE), 'minute');
  if (passed < DAY) return format.format(-Math.floor(passed / HOUR), 'hour');
  return format.format(-Math.floor(passed / DAY), 'day');
}

/** The time of day; on this very day, how long ago it was. For what stands below the name of its day. */
export function timeOfDay(iso: string, now: number, locale: string, justNow: string): string {
  const moment = new Date(iso);
  const isToday = moment.toDateString() === new Date(now).toDateString();
  // Of a clock that ran ahead, no distance can be told.
  if (isToday && moment.getTime() - now < MINUTE) return relativeTime(iso, now, locale, justNow);
  return new Intl.DateTimeFormat(locale, { timeStyle: 'short' }).format(moment);
}

/** The date, the time to the second and the time zone. */
export function exactTime(iso: string, locale: string): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeStyle: 'long' }).format(Date.parse(iso));
}
