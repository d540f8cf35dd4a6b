import { expect, it } from 'vitest';
import { topAfter } from './anchored';

it.each([
  ['grows downwards', 100, 40, false, 100],
  ['keeps its foot where the mouse is', 100, 40, true, 60],
  ['leaves room at the top', 30, 40, true, 16],
  ['keeps its foot when it shrinks', 100, -40, true, 140],
])('%s', (_what, top, growth, atFoot, expected) => {
  expect(topAfter(top, growth, atFoot)).toBe(expected);
});
