import { expect, it } from 'vitest';
import type { ApiKey } from '../ipc';
import { find, keyAt, mapKeys, neighbor, NO_PAGES, PAGE_SIZE, pagesOf, rowOf, withPage } from './pages';

function key(keyId: string): ApiKey {
  return {
    keyId,
    name: keyId,
    keyPrefix: 'ul_00000000',
    scopes: ['read'],
    createdAt: '2026-01-01T00:00:00Z',
    lastUsedAt: null,
    adminUsedAt: null,
    revokedAt: null,
    replaces: null,
    replacedBy: null,
    attention: [],
  };
}

const [first, second, third] = [key('first'), key('second'), key('third')];
const pages = new Map([
  [0, [first, second]],
  [7, [third]],
]);

it('names the pages of rows', () => {
  expect(pagesOf({ first: 0, last: 0 })).toEqual([0]);
  expect(pagesOf({ first: PAGE_SIZE - 1, last: PAGE_SIZE })).toEqual([0, 1]);
  expect(pagesOf({ first: -5, last: 2 * PAGE_SIZE })).toEqual([0, 1, 2]);
});

it('finds keys by row and by identifier', () => {
  expect(keyAt(pages, 1)).toBe(second);
  expect(keyAt(pages, 7 * PAGE_SIZE)).toBe(third);
  expect(keyAt(pages, 2)).toBeUndefined();
  expect(keyAt(pages, PAGE_SIZE)).toBeUndefined();
  expect(find(pages, 'third')).toBe(third);
  expect(find(pages, 'unknown')).toBeUndefined();
});

it('keeps what is near the visible rows', () => {
  let kept = NO_PAGES;
  for (let page = 0; page < 100; page += 1) {
    kept = withPage(kept, page, [], { first: page * PAGE_SIZE, last: page * PAGE_SIZE + 10 }, [0]);
  }
  expect([...kept.keys()]).toEqual([0, 95, 96, 97, 98, 99]);
  expect([...withPage(kept, 3, [], { first: 99 * PAGE_SIZE, last: 99 * PAGE_SIZE }).keys()]).toContain(3);
});

it('has no key twice', () => {
  // `third` was at the end of one page, and a change moved it to the beginning of the next.
  const moved = withPage(pages, 8, [third], { first: 350, last: 400 });
  expect([...moved.keys()]).toEqual([8]);
  expect(rowOf(moved, 'third')).toBe(8 * PAGE_SIZE);
  expect(rowOf(moved, 'first')).toBeUndefined();
});

it('changes only what changes', () => {
  expect(mapKeys(pages, (known) => known)).toBe(pages);
  const renamed = mapKeys(pages, (known) => (known === third ? { ...known, name: 'new' } : known));
  expect(renamed.get(0)).toBe(pages.get(0));
  expect(renamed.get(7)?.[0]?.name).toBe('new');
});

it('names the row that takes the focus', () => {
  expect(neighbor(pages, 'first')).toBe(second);
  expect(neighbor(pages, 'second')).toBe(first);
  expect(neighbor(pages, 'third')).toBeUndefined();
});
