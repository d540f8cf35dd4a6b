import type { TFunction } from 'i18next';
import type { Failure } from '../ipc';
import { ENGLISH, localeOf, type Locale } from './language';
import { MESSAGES } from './messages';
import { exactTime, isAhead, relativeTime, shortDate, timeOfDay } from './time';

export type { Language, LanguageChoice } from './language';

/** Until the app has told, which is before a page shows a word. */
let current = $state.raw<Locale>(ENGLISH);

/** A message in the present language; what reads it follows the language. */
export const t = ((...message: unknown[]): unknown =>
  Reflect.apply(MESSAGES[current.language], null, message)) as TFunction;

/** For dates and times that are formatted elsewhere. */
export const dateLocale = (): string => current.dates;

/** For numbers and sizes that are formatted elsewhere. */
export const numberLocale = (): string => current.numbers;

export const timeAgo = (iso: string, now: number): string =>
  isAhead(iso, now) ? t('app.unknownTime') : relativeTime(iso, now, current.dates, t('app.justNow'));

/** For what stands below the name of its day. */
export const timeBelowDay = (iso: string, now: number): string =>
  isAhead(iso, now) ? t('app.unknownTime') : timeOfDay(iso, now, current.dates, t('app.justNow'));

export const timeExactly = (iso: string): string => exactTime(iso, current.dates);

export const formatDate = (iso: string): string => shortDate(iso, current.dates);

/** The time of day, to the second. */
export const formatTime = (iso: string): string =>
  new Intl.DateTimeFormat(current.dates, { timeStyle: 'medium' }).format(Date.parse(iso));

export const formatNumber = (value: number): string => new Intl.NumberFormat(current.numbers).format(value);

export const formatPercent = (percent: number): string =>
  new Intl.NumberFormat(current.numbers, { style: 'percent' }).format(percent / 100);

export function failureText({ code, detail, file, line, variable }: Failure): string {
  if (file === 'unclearLine' || file === 'unclearUse' || file === 'otherCode') {
    const place = { line: line ?? 1, variable: variable ?? 'ULTRALYTICS_API_KEY' };
    return `${t(`failures.${code}`)} ${t(`failures.file.${file}`, place)}`;
  }
  if (file) return `${t(`failures.${code}`)} ${t(`failures.file.${file}`)}`;
  if (code === 'VALIDATION_ERROR' && detail) return t('failures.refused', { detail });
  const ofFile = code === 'ENV_FILE_FAILED' || code === 'EXPORT_FAILED';
  return ofFile && detail ? t('failures.fileNotChanged', { detail }) : t(`failures.${code}`);
}

/** Speaks this language, or the system's, and formats as the system does. */
export function setLocale(...told: Parameters<typeof localeOf>): void {
  current = localeOf(...told);
  document.documentElement.lang = current.language;
}
