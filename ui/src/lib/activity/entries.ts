import type { ActivityEntry, ActivityPage } from '../ipc';

/** A list of activity as far as it was read, and where the rest begins. */
export interface Listing {
  entries: readonly ActivityEntry[];
  /** The `cursor` of what is older; `null` when there is nothing. */
  next: string | null;
}

/** A listing with its first page as it is now: newer entries come first, and refusals have been counted on. */
export function refreshed(known: Listing, page: ActivityPage): Listing {
  const oldest = page.entries.at(-1);
  const overlaps = known.entries[0] !== undefined && oldest !== undefined && known.entries[0].id >= oldest.id;
  // Where the page reaches the end, or there is a gap below it, what is known tells no more than the page.
  if (page.next === null || !overlaps) return page;
  const older = known.entries.filter(({ id }) => id < oldest.id);
  return older.length > 0 ? { entries: [...page.entries, ...renamed(older, page.entries)], next: known.next } : page;
}

/** A listing with its next page. */
export function continued(known: Listing, page: ActivityPage): Listing {
  const last = known.entries.at(-1)?.id ?? Infinity;
  return { entries: [...known.entries, ...page.entries.filter(({ id }) => id < last)], next: page.next };
}

/** Entries tell the key's name of today; a renaming is the newest entry of its key. */
function renamed(entries: readonly ActivityEntry[], newer: readonly ActivityEntry[]): ActivityEntry[] {
  const names = new Map(newer.toReversed().map(({ keyId, keyName }) => [keyId, keyName]));
  return entries.map((entry) => {
    const keyName = names.get(entry.keyId) ?? entry.keyName;
    return keyName === entry.keyName ? entry : { ...entry, keyName };
  });
}

export interface Day {
  /** Some moment of that day. */
  iso: string;
  entries: ActivityEntry[];
}

/** The entries by day of this computer's calendar, in their order. */
export function byDay(entries: readonly ActivityEntry[]): Day[] {
  const days = new Map<string, Day>();
  for (const entry of entries) {
    const name = new Date(entry.at).toDateString();
    const day = days.get(name);
    if (day) day.entries.push(entry);
    else days.set(name, { iso: entry.at, entries: [entry] });
  }
  return [...days.values()];
}

/** How many days lie between two moments by this computer's calendar. */
export function daysBetween(iso: string, now: number): number {
  const midnight = (moment: number | string) => new Date(moment).setHours(0, 0, 0, 0);
  // Days with a change of the clock have 23 or 25 hours.
  return Math.round((midnight(now) - midnight(iso)) / 86_400_000);
}
