import type { ActivityKind } from '../ipc';
import { goTo } from '../shell/section.svelte';

/** Kinds of activity, in the order in which they are offered. */
export const KINDS = [
  'created',
  'renamed',
  'revoked',
  'newSource',
  'refused',
  'changedOutside',
] as const satisfies ActivityKind[];

/** The key that an entry is about. */
export interface NamedKey {
  keyId: string;
  name: string;
  /** Tells keys of one name apart; `null` for a key that is not in the database. */
  keyPrefix: string | null;
}

/** What the activity page is limited to; `null` for no limit. */
export interface ActivityFilter {
  kind: ActivityKind | null;
  key: NamedKey | null;
}

const NOTHING: ActivityFilter = { kind: null, key: null };

let current = $state.raw<ActivityFilter>(NOTHING);

export const activityFilter = (): ActivityFilter => current;

export function filterActivity(changed: Partial<ActivityFilter>): void {
  current = { ...current, ...changed };
}

/** Keeps the name of the key in step. */
export function filteredKeyWasRenamed(keyId: string, name: string): void {
  if (current.key?.keyId === keyId) filterActivity({ key: { ...current.key, name } });
}

export function showAllActivity(): void {
  current = NOTHING;
}

/** Opens the activity page with all that happened to one key. */
export function showActivityOf({ keyId, name, keyPrefix }: NamedKey): Promise<void> {
  current = { kind: null, key: { keyId, name, keyPrefix } };
  return goTo('activity');
}
