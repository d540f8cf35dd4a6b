import { expect, it } from 'vitest';
import { de } from './de';
import { en } from './en';

it('says in plain words what a key may do', () => {
  expect(en.createKey.abilities(['read'])).toBe('This key will be able to read all resources.');
  expect(en.createKey.abilities(['write', 'admin'])).toBe(
    'This key will be able to read and change all resources and manage the account.',
  );
  expect(de.createKey.abilities(['read'])).toBe('Dieser Schlüssel darf alle Ressourcen lesen.');
});

it('has no empty message', () => {
  const empty = (value: unknown): boolean =>
    value === '' || (typeof value === 'object' && value !== null && Object.values(value).some(empty));
  expect(empty(en)).toBe(false);
  expect(empty(de)).toBe(false);
});
