import type { TFunction } from 'i18next';
import type { Failure } from '../ipc';
import { spoken, type LanguageChoice } from './language';
import { MESSAGES } from './messages';
import { exactTime, isAhead, relativeTime, shortDate, timeOfDay } from './time';

export type { Language, LanguageChoice } from './language';

let choice: LanguageChoice = 'system';
let current = $state.raw(spoken(choice, navigator.languages));

/** A message in the present language; what reads it follows the language. */
export const t = ((...message: unknown[]): unknown =>
  Reflect.apply(MESSAGES[current.language], null, message)) as TFunction;

/** For what is formatted elsewhere. */
export const locale = (): string => current.locale;

export const timeAgo = (iso: string, now: number): string =>
  isAhead(iso, now) ? t('app.unknownTime') : relativeTime(iso, now, current.locale, t('app.justNow'));

/** For what stands below the name of its day. */
export const timeBelowDay = (iso: string, now: number): string =>
  isAhead(iso, now) ? t('app.unknownTime') : timeOfDay(iso, now, current.locale, t('app.justNow'));

export const timeExactly = (iso: string): string => exactTime(iso, current.locale);

export const formatDate = (iso: string): string => shortDate(iso, current.locale);

/** The time of day, to the second. */
export const formatTime = (iso: string): string =>
  new Intl.DateTimeFormat(current.locale, { timeStyle: 'medium' }).format(Date.parse(iso));

export const formatNumber = (value: number): string => new Intl.NumberFormat(current.locale).format(value);

export const formatPercent = (percent: number): string =>
  new Intl.NumberFormat(current.locale, { style: 'percent' }).format(percent / 100);

export function failureText({ code, detail, file }: Failure): string {
  if (file) return `${t(`failures.${code}`)} ${t(`failures.file.${file}`)}`;
  if (code === 'VALIDATION_ERROR' && detail) return t('failures.refused', { detail });
  const ofFile = code === 'ENV_FILE_FAILED' || code === 'EXPORT_FAILED';
  return ofFile && detail ? t('failures.fileNotChanged', { detail }) : t(`failures.${code}`);
}

function follow(): void {
  current = spoken(choice, navigator.languages);
  document.documentElement.lang = current.language;
}

/** Speaks this language, or the system's. */
export function setLanguage(chosen: LanguageChoice): void {
  choice = chosen;
  follow();
}

/** Keeps the language in step with the system, where the person left it to the system. Returns how to stop. */
export function followLanguage(): () => void {
  follow();
  window.addEventListener('languagechange', follow);
  return () => window.removeEventListener('languagechange', follow);
}
