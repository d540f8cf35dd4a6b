import { expect, it } from 'vitest';
import { parseWithin } from './number';

it.each([
  ['10', 10],
  [' 45 ', 45],
  ['120', 120],
  ['012', 12],
])('reads %j', (text, number) => expect(parseWithin(text, 10, 120)).toBe(number));

it.each(['', '9', '121', '-10', '10.5', '1e2', '١٠', '10 20', '99999999999'])('refuses %j', (text) =>
  expect(parseWithin(text, 10, 120)).toBeNull(),
);
