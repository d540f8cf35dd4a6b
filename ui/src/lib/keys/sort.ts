import type { KeySort, KeyStatus, SortBy } from '../ipc';

/** The columns by which the list is sorted. Of a revoked key, the end matters and not the last use. */
export function columns(revoked: boolean): SortBy[] {
  return ['name', 'scopes', 'createdAt', revoked ? 'revokedAt' : 'lastUsedAt'];
}

export function columnOf(sort: KeySort): SortBy {
  return sort.replace(/^-/, '') as SortBy;
}

/** The order in which keys of a status begin: of revoked keys, the last end comes first. */
export function sortOf(status: KeyStatus, before: KeySort): KeySort {
  if (status === 'revoked') return '-revokedAt';
  return columnOf(before) === 'revokedAt' ? '-createdAt' : before;
}

/** In which direction the list is sorted by a column, as `aria-sort` has it. */
export function direction(sort: KeySort, by: SortBy): 'ascending' | 'descending' | undefined {
  if (columnOf(sort) !== by) return undefined;
  return sort.startsWith('-') ? 'descending' : 'ascending';
}

/** What a person wants to see first: names from A, times from the newest. */
export function natural(by: SortBy): KeySort {
  return by === 'name' || by === 'scopes' ? by : `-${by}`;
}

/** The order after a click on a column's heading. */
export function toggled(sort: KeySort, by: SortBy): KeySort {
  const present = direction(sort, by);
  if (present === undefined) return natural(by);
  return present === 'ascending' ? `-${by}` : by;
}
