import { expect, it } from 'vitest';
import { searchable } from './search';

it('searches for what is typed', () => {
  expect(searchable(' gpu ul_0a0b0c0d ')).toEqual({ text: ' gpu ul_0a0b0c0d ', shortened: false });
});

it('finds a beginning that was copied from the list', () => {
  expect(searchable('ul_0a0b0c0d… gpu')).toEqual({ text: 'ul_0a0b0c0d gpu', shortened: false });
});

it('shortens a pasted key to its prefix', () => {
  const key = `ul_${'0a'.repeat(20)}`;
  expect(searchable(`"${key}"`)).toEqual({ text: '"ul_0a0a0a0a"', shortened: true });
  expect(searchable(key.slice(0, 42))).toEqual({ text: 'ul_0a0a0a0a', shortened: true });
  expect(searchable(key.toUpperCase()).text).toBe('UL_0A0A0A0A');
  expect(searchable(`${key} ${key}`).text).toBe('ul_0a0a0a0a ul_0a0a0a0a');
});
