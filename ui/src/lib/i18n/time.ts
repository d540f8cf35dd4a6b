const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** After this many days a date says more than a distance. */
const DAYS_AS_DISTANCE = 30;

/** How long ago a moment was, in words; clocks that differ by less than a minute do not matter. */
export function relativeTime(iso: string, now: number, locale: string, justNow: string): string {
  const moment = Date.parse(iso);
  const passed = now - moment;
  if (Math.abs(passed) < MINUTE) return justNow;
  if (passed < 0 || passed >= DAYS_AS_DISTANCE * DAY) {
    return new Intl.DateTimeFormat(locale, { dateStyle: 'medium' }).format(moment);
  }
  const format = new Intl.RelativeTimeFormat(locale, { numeric: 'always' });
  if (passed < HOUR) return format.format(-Math.floor(passed / MINUTE), 'minute');
  if (passed < DAY) return format.format(-Math.floor(passed / HOUR), 'hour');
  return format.format(-Math.floor(passed / DAY), 'day');
}

/** The date, the time to the second and the time zone. */
export function exactTime(iso: string, locale: string): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeStyle: 'long' }).format(Date.parse(iso));
}
