import { expect, it } from 'vitest';
import { distance } from './distance';

const seen = { top: 50, bottom: 450 };

it('does not scroll to what is in sight', () => {
  expect(distance({ begin: 100, end: 400 }, seen)).toBe(0);
  expect(distance({ begin: 10, end: 400 }, seen)).toBe(0);
});

it('scrolls down to the end of the answer', () => {
  expect(distance({ begin: 300, end: 500 }, seen)).toBe(66);
});

it('stops where the question would go out of sight', () => {
  expect(distance({ begin: 100, end: 900 }, seen)).toBe(34);
});
