import { expect, it } from 'vitest';
import { sizeAfter } from './textSize';

const control = { altKey: false, ctrlKey: true, metaKey: false };

it.each([
  ['+', 100, 125],
  ['=', 150, 200],
  ['+', 200, 200],
  ['-', 200, 150],
  ['-', 100, 100],
  ['0', 175, 100],
  ['+', 110, 125],
])('after Ctrl %s, %i becomes %i', (key, present, after) => {
  expect(sizeAfter({ ...control, key }, present)).toBe(after);
  expect(sizeAfter({ ...control, ctrlKey: false, metaKey: true, key }, present)).toBe(after);
});

it('leaves other keys alone', () => {
  expect(sizeAfter({ ...control, key: 'n' }, 100)).toBeNull();
  expect(sizeAfter({ ...control, ctrlKey: false, key: '+' }, 100)).toBeNull();
  expect(sizeAfter({ ...control, altKey: true, key: '+' }, 100)).toBeNull();
});
