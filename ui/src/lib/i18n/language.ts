import type { AppEvent, Language as LanguageChoice } from '../ipc';

export type { LanguageChoice };
export type Language = Exclude<LanguageChoice, 'system'>;

/** What the system says of the person's language. The app reads it, so that the menu and the pages agree. */
export type SystemLocale = Pick<Extract<AppEvent, { type: 'preferences' }>, 'systemLanguage' | 'regions'>;

export interface Locale {
  language: Language;
  /** BCP 47 tags for formats: the language, with the region whose formats the system names. */
  dates: string;
  numbers: string;
}

export const ENGLISH: Locale = { language: 'en', dates: 'en', numbers: 'en' };

/** The formats of English in Europe: the day first, and 24 hours. */
const INTERNATIONAL = 'en-150';

function tag(language: Language, region: string | null): string {
  if (region === null) return language;
  const wanted = new Intl.Locale(language, { region }).toString();
  const { locale } = new Intl.DateTimeFormat(wanted).resolvedOptions();
  // Where nobody has described how English is written in a region, it would look as in the United States.
  return language === 'en' && new Intl.Locale(locale).region === undefined ? INTERNATIONAL : wanted;
}

/** The chosen language, or the system's. Words stay in it, also where dates look as in another region: `en-DE`. */
export function localeOf(choice: LanguageChoice, { systemLanguage, regions }: SystemLocale): Locale {
  const language = choice === 'system' ? systemLanguage : choice;
  return { language, dates: tag(language, regions.dates), numbers: tag(language, regions.numbers) };
}
