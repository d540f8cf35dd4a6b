import type { ApiKey } from '../ipc';

/** How many keys are fetched together. */
export const PAGE_SIZE = 50;

/** The pages of a list that are at hand, by their number from 0. */
export type Pages = ReadonlyMap<number, readonly ApiKey[]>;

export const NO_PAGES: Pages = new Map();

/** Keys around the visible ones are kept; more would only cost memory. */
const KEPT_AROUND = 4;

/** The rows from `first` to `last`, both included. */
export interface Rows {
  first: number;
  last: number;
}

export function pageOf(row: number): number {
  return Math.floor(Math.max(0, row) / PAGE_SIZE);
}

/** The numbers of the pages that hold these rows. */
export function pagesOf({ first, last }: Rows): number[] {
  const from = pageOf(first);
  return Array.from({ length: pageOf(last) - from + 1 }, (_, index) => from + index);
}

export function keyAt(pages: Pages, row: number): ApiKey | undefined {
  return pages.get(pageOf(row))?.[row % PAGE_SIZE];
}

export function find(pages: Pages, keyId: string): ApiKey | undefined {
  for (const page of pages.values()) {
    const found = page.find((key) => key.keyId === keyId);
    if (found) return found;
  }
  return undefined;
}

/**
 * With a page more, and without those far from the visible rows; the pages of the rows `held` stay. A page that has a
 * key of the new one is older than a change that moved the rows: it is left out, too.
 */
export function withPage(
  pages: Pages,
  number: number,
  keys: readonly ApiKey[],
  visible: Rows,
  held: readonly number[] = [],
): Pages {
  const heldPages = held.map(pageOf);
  const fresh = new Set(keys.map(({ keyId }) => keyId));
  const isKept = ([page, others]: [number, readonly ApiKey[]]) =>
    page !== number &&
    ((page >= pageOf(visible.first) - KEPT_AROUND && page <= pageOf(visible.last) + KEPT_AROUND) ||
      heldPages.includes(page)) &&
    !others.some(({ keyId }) => fresh.has(keyId));
  return new Map([...[...pages].filter(isKept), [number, keys]]);
}

/** The row of a key, where it is at hand. */
export function rowOf(pages: Pages, keyId: string): number | undefined {
  for (const [number, page] of pages) {
    const index = page.findIndex((key) => key.keyId === keyId);
    if (index >= 0) return number * PAGE_SIZE + index;
  }
  return undefined;
}

/** With every key as `change` makes it; the same pages where it changes nothing. */
export function mapKeys(pages: Pages, change: (key: ApiKey) => ApiKey): Pages {
  let changed = false;
  const mapped = new Map<number, readonly ApiKey[]>();
  for (const [number, page] of pages) {
    const keys = page.map(change);
    const same = keys.every((key, index) => key === page[index]);
    mapped.set(number, same ? page : keys);
    changed ||= !same;
  }
  return changed ? mapped : pages;
}

/** The key whose row takes the focus when the row of `keyId` leaves: the next one, or else the one before. */
export function neighbor(pages: Pages, keyId: string): ApiKey | undefined {
  for (const page of pages.values()) {
    const index = page.findIndex((key) => key.keyId === keyId);
    if (index >= 0) return page[index + 1] ?? page[index - 1];
  }
  return undefined;
}
