import { expect, it } from 'vitest';
import type { FormatRegions } from '../ipc';
import { localeOf, type Language, type LanguageChoice } from './language';

const of = (choice: LanguageChoice, systemLanguage: Language, regions: Partial<FormatRegions> = {}) =>
  localeOf(choice, { systemLanguage, regions: { dates: null, numbers: null, ...regions } });

it.each<[LanguageChoice, Language, Partial<FormatRegions>, ReturnType<typeof of>]>([
  ['system', 'de', { dates: 'AT', numbers: 'AT' }, { language: 'de', dates: 'de-AT', numbers: 'de-AT' }],
  ['system', 'en', { dates: 'DE', numbers: 'US' }, { language: 'en', dates: 'en-DE', numbers: 'en-US' }],
  ['system', 'pt-BR', { dates: 'PT' }, { language: 'pt-BR', dates: 'pt-PT', numbers: 'pt-BR' }],
  ['system', 'en', {}, { language: 'en', dates: 'en', numbers: 'en' }],
  ['de', 'en', { dates: 'CH' }, { language: 'de', dates: 'de-CH', numbers: 'de' }],
  ['en', 'de', { dates: 'BR' }, { language: 'en', dates: 'en-150', numbers: 'en' }],
])('locale of choice %j where the system is %j and %j', (choice, system, regions, expected) => {
  expect(of(choice, system, regions)).toEqual(expected);
});

it('formats dates as in the region, in words of the language', () => {
  const format = (tag: string) =>
    new Intl.DateTimeFormat(tag, { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' }).format(
      Date.parse('2026-11-28T18:05:00Z'),
    );
  expect(format(of('system', 'en', { dates: 'DE' }).dates)).toMatch(/^28 Nov 2026, 18:05$/);
  for (const dates of ['FR', 'BR', '419'])
    expect(format(of('system', 'en', { dates }).dates)).toMatch(/^28 Nov 2026, 18:05$/);
  expect(format(of('system', 'en', { dates: 'US' }).dates)).toMatch(/^Nov 28, 2026, 6:05.PM$/);
});
