import { expect, it } from 'vitest';
import { spoken } from './language';

it.each([
  [['en-GB', 'de'], 'en', 'en-GB'],
  [['fr-FR', 'de-AT', 'en'], 'de', 'de-AT'],
  [['PT-br'], 'pt-BR', 'PT-br'],
  [['pt'], 'pt-BR', 'pt'],
  [['pt-PT'], 'pt-BR', 'pt-PT'],
  [['fr'], 'en', 'en'],
  [['constructor'], 'en', 'en'],
  [[], 'en', 'en'],
])('speaks to a person who prefers %j', (preferred, language, locale) => {
  expect(spoken('system', preferred)).toEqual({ language, locale });
});

it('speaks a chosen language, in the look of its region where the system names one', () => {
  expect(spoken('de', ['en-US', 'de-CH'])).toEqual({ language: 'de', locale: 'de-CH' });
  expect(spoken('pt-BR', ['en-US'])).toEqual({ language: 'pt-BR', locale: 'pt-BR' });
});
