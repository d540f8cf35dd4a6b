import { describe, expect, it } from 'vitest';
import { CATALOGUES, MESSAGES } from './messages';

const VARIABLE = /\{\{\s*([^,}\s]+)[^}]*\}\}/g;
const PLURAL = /^(.*)_(zero|one|two|few|many|other)$/;

function texts(messages: object, above = ''): [key: string, text: string][] {
  return Object.entries(messages).flatMap(([key, value]: [string, unknown]): [string, string][] =>
    typeof value === 'object' && value !== null ? texts(value, `${above}${key}.`) : [[above + key, String(value)]],
  );
}

const withoutPlural = (key: string) => PLURAL.exec(key)?.[1] ?? key;
const unique = (values: string[]) => [...new Set(values)].sort();
const variables = (text: string) => unique([...text.matchAll(VARIABLE)].map(([, name = '']) => name));

const english = texts(CATALOGUES.en);

describe.each(Object.keys(CATALOGUES) as (keyof typeof CATALOGUES)[])('the messages in %s', (language) => {
  const own = texts(CATALOGUES[language]);

  it('are those of English', () => {
    expect(unique(own.map(([key]) => withoutPlural(key)))).toEqual(unique(english.map(([key]) => withoutPlural(key))));
  });

  it('have every plural form of the language and no other', () => {
    const { pluralCategories } = new Intl.PluralRules(language).resolvedOptions();
    const plurals = unique(english.flatMap(([key]) => PLURAL.exec(key)?.[1] ?? []));
    const wanted = plurals.flatMap((key) => pluralCategories.map((form) => `${key}_${form}`));
    const given = own.map(([key]) => key).filter((key) => PLURAL.test(key));
    expect(given.sort()).toEqual(wanted.sort());
  });

  it('name what English names', () => {
    const wanted = new Map(english.map(([key, text]) => [withoutPlural(key), variables(text)]));
    for (const [key, text] of own) expect(variables(text), key).toEqual(wanted.get(withoutPlural(key)));
  });

  it('are not empty', () => {
    expect(own.filter(([, text]) => text.trim() === '')).toEqual([]);
  });
});

it('says in plain words what a key may do', () => {
  const { en, de, 'pt-BR': pt } = MESSAGES;
  const abilities = [en('createKey.ability.write'), en('createKey.ability.admin')];
  expect(en('createKey.abilities', { abilities })).toBe(
    'This key will be able to read and change all resources and manage the account.',
  );
  expect(de('createKey.abilities', { abilities: ['a', 'b'] })).toBe('Dieser Schlüssel darf a und b.');
  expect(pt('createKey.abilities', { abilities: ['a', 'b', 'c'] })).toBe('Esta chave poderá a, b e c.');
});

it('counts as the language does', () => {
  const { en, de, 'pt-BR': pt } = MESSAGES;
  expect(en('clipboard.clearsIn', { count: 1 })).toBe('On the clipboard for another 1 second');
  expect(en('clipboard.clearsIn', { count: 0 })).toBe('On the clipboard for another 0 seconds');
  expect(de('clipboard.clearsIn', { count: 1 })).toBe('Noch 1 Sekunde in der Zwischenablage');
  expect(pt('clipboard.clearsIn', { count: 0 })).toBe('Na área de transferência por mais 0 segundo');
  expect(pt('clipboard.clearsIn', { count: 2 })).toBe('Na área de transferência por mais 2 segundos');
  expect(pt('clipboard.clearsIn', { count: 1_000_000 })).toMatch(/1000000 segundos$/);
});

it('shows a name as it is and keeps its direction to itself', () => {
  const title = (name: string) => MESSAGES.en('revoke.title', { name });
  for (const name of ['ci', '<b>&amp;</b>', '{{name}}', '$t(keys.title)', "$& $1 $` $'"]) {
    expect(title(name)).toBe(`Revoke ${name}?`);
  }
  expect(title('مفتاح')).toBe('Revoke \u2068مفتاح\u2069?');
});

it('refuses, when types are checked, an unknown key and a value left out', () => {
  const t = MESSAGES.en;
  // @ts-expect-error there is no such message
  t('keys.unknown');
  // @ts-expect-error a text of one's own does not make it one
  t('keys.unknown', 'text');
  // @ts-expect-error it names a key
  t('revoke.title');
  // @ts-expect-error under another name
  t('revoke.title', { key: 'ci' });
  // @ts-expect-error a list is not a text
  t('createKey.abilities', { abilities: 'read' });
});
