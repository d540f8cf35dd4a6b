import { expect, it } from 'vitest';
import { roomAfter } from './scrollAnchor';

it.each([
  ['gets room below what cannot be scrolled up', { above: 0, below: 0 }, 40, { above: 0, below: 40 }],
  ['gets room above what cannot be scrolled down', { above: 0, below: 0 }, -40, { above: 40, below: 0 }],
  ['uses the room above first', { above: 30, below: 0 }, 40, { above: 0, below: 10 }],
  ['keeps what room it needs', { above: 50, below: 5 }, 40, { above: 10, below: 5 }],
])('%s', (_what, room, moved, expected) => {
  expect(roomAfter(room, moved)).toEqual(expected);
});
