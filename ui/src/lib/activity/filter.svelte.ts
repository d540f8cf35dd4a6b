import type { HappeningKind } from '../ipc';
import { goTo } from '../shell/section.svelte';

/** Kinds of activity, in the order in which they are offered. */
export const KINDS = ['created', 'renamed', 'revoked', 'newSource', 'refused'] as const satisfies HappeningKind[];

/** What the activity page is limited to; `null` for no limit. */
export interface ActivityFilter {
  kind: HappeningKind | null;
  key: { keyId: string; name: string } | null;
}

const NOTHING: ActivityFilter = { kind: null, key: null };

let current = $state.raw<ActivityFilter>(NOTHING);

export const activityFilter = (): ActivityFilter => current;

export function filterActivity(changed: Partial<ActivityFilter>): void {
  current = { ...current, ...changed };
}

export function showAllActivity(): void {
  current = NOTHING;
}

/** Opens the activity page with all that happened to one key. */
export function showActivityOf({ keyId, name }: { keyId: string; name: string }): Promise<void> {
  current = { kind: null, key: { keyId, name } };
  return goTo('activity');
}
