export type Language = 'en' | 'de' | 'pt-BR';
export type LanguageChoice = 'system' | Language;

const LANGUAGES = new Map<string, Language>([
  ['en', 'en'],
  ['de', 'de'],
  ['pt', 'pt-BR'],
]);

function languageOf(locale: string): Language | undefined {
  return LANGUAGES.get(locale.split('-')[0]?.toLowerCase() ?? '');
}

/**
 * The chosen language, or the person's first one that the app speaks. The region that the system names for this
 * language decides how dates look.
 */
export function spoken(choice: LanguageChoice, preferred: readonly string[]): { language: Language; locale: string } {
  for (const locale of preferred) {
    const language = languageOf(locale);
    if (language && (choice === 'system' || choice === language)) return { language, locale };
  }
  const language = choice === 'system' ? 'en' : choice;
  return { language, locale: language };
}
