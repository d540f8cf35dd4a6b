import { expect, it } from 'vitest';
import { leavesPage } from './leaving';

const plain = { altKey: false, ctrlKey: false, metaKey: false };

it.each([
  { ...plain, key: 'F5' },
  { ...plain, key: 'F5', ctrlKey: true },
  { ...plain, key: 'r', ctrlKey: true },
  { ...plain, key: 'R', ctrlKey: true },
  { ...plain, key: 'r', metaKey: true },
  { ...plain, key: 'ArrowLeft', altKey: true },
  { ...plain, key: 'ArrowRight', altKey: true },
])('stops %j', (event) => expect(leavesPage(event, true, false)).toBe(true));

it.each([
  { ...plain, key: 'r' },
  { ...plain, key: 'ArrowLeft' },
  { ...plain, key: 'c', ctrlKey: true },
  { ...plain, key: 'n', ctrlKey: true },
])('lets %j through', (event) => expect(leavesPage(event, false, false)).toBe(false));

it('lets a Mac move by words while writing', () => {
  const event = { ...plain, key: 'ArrowLeft', altKey: true };
  expect(leavesPage(event, true, true)).toBe(false);
  expect(leavesPage(event, false, true)).toBe(true);
});
