import { expect, it } from 'vitest';
import { onceTakenOff } from './whereabouts';

it('loses only what was copied', () => {
  expect(onceTakenOff('safe')).toBe('lost');
  expect(onceTakenOff('lost')).toBe('lost');
  expect(onceTakenOff('never')).toBe('never');
});
