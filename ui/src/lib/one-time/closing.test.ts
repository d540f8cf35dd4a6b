import { expect, it } from 'vitest';
import { asksToClose } from './closing';

const none = { altKey: false, ctrlKey: false, metaKey: false, shiftKey: false };

it.each([
  { ...none, key: 'w', ctrlKey: true },
  { ...none, key: 'q', ctrlKey: true },
  { ...none, key: 'W', ctrlKey: true },
  { ...none, key: 'w', metaKey: true },
])('closes with %j', (pressed) => expect(asksToClose(pressed)).toBe(true));

it.each([
  { ...none, key: 'w' },
  { ...none, key: 'c', ctrlKey: true },
  // Written with AltGr.
  { ...none, key: 'q', ctrlKey: true, altKey: true },
])('does not close with %j', (pressed) => expect(asksToClose(pressed)).toBe(false));
