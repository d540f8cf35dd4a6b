import type { Failure } from '../ipc';
import { de } from './de';
import { en, type Messages } from './en';
import { exactTime, relativeTime } from './time';

const LANGUAGES = { en, de };
type Language = keyof typeof LANGUAGES;

function isLanguage(language: string): language is Language {
  return Object.hasOwn(LANGUAGES, language);
}

/** The person's first language that the app speaks; its region decides how dates look. */
function preferred(): { language: Language; locale: string } {
  for (const locale of navigator.languages) {
    const language = locale.split('-')[0]?.toLowerCase() ?? '';
    if (isLanguage(language)) return { language, locale };
  }
  return { language: 'en', locale: 'en' };
}

let current = $state.raw(preferred());

/** The messages in the person's language. */
export const t = (): Messages => LANGUAGES[current.language];

export const timeAgo = (iso: string, now: number): string => relativeTime(iso, now, current.locale, t().justNow);

export const timeExactly = (iso: string): string => exactTime(iso, current.locale);

export function failureText({ code, detail }: Failure): string {
  if (code === 'VALIDATION_ERROR' && detail) return t().refused(detail);
  return code === 'ENV_FILE_FAILED' ? t().envFileFailed(detail) : t().failures[code];
}

/** Keeps the language in step with the system. Returns how to stop. */
export function followLanguage(): () => void {
  const follow = () => {
    current = preferred();
    document.documentElement.lang = current.language;
  };
  follow();
  window.addEventListener('languagechange', follow);
  return () => window.removeEventListener('languagechange', follow);
}
