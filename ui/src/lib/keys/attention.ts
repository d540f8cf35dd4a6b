import { now } from '../components/clock.svelte';
import { formatNumber, t, timeAgo } from '../i18n/index.svelte';
import type { ApiKey, AttentionReason } from '../ipc';
import { preferences } from '../preferences/preferences.svelte';
import type { KeyAction } from './actions.svelte';

/** What to do about a key that calls for attention; each is an action in a dialog or guide of its own. */
export type Step = Extract<KeyAction, 'rotate' | 'fewerScopes' | 'revoke'>;

const STEPS: Record<AttentionReason, Step> = {
  old: 'rotate',
  neverUsed: 'revoke',
  unused: 'revoke',
  adminUnused: 'fewerScopes',
};

/** The weightiest first: a key that may go need not be rotated. */
const WEIGHTS: readonly Step[] = ['revoke', 'fewerScopes', 'rotate'];

/** The reason whose step is offered: one for a key, whatever else is true of it. */
export const decisive = (reasons: readonly AttentionReason[]): AttentionReason | undefined =>
  WEIGHTS.flatMap((step) => reasons.filter((reason) => STEPS[reason] === step))[0];

export const stepFor = (reason: AttentionReason): Step => STEPS[reason];

/** Why a key needs attention, in a sentence. */
export function attentionSentence(apiKey: ApiKey, reason: AttentionReason): string {
  const days = preferences()?.rotationDays ?? 0;
  return t(`attention.sentence.${reason}`, {
    created: timeAgo(apiKey.createdAt, now()),
    used: timeAgo(apiKey.lastUsedAt ?? apiKey.createdAt, now()),
    count: days,
    days: formatNumber(days),
  });
}
