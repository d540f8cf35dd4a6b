import type { Attention } from '../ipc';
import type { KeyAction } from './actions.svelte';

/** What to do about a key that calls for attention; each is an action in a dialog or guide of its own. */
export type Step = Extract<KeyAction, 'rotate' | 'fewerScopes' | 'revoke'>;

const STEPS: Record<Attention, Step> = {
  old: 'rotate',
  neverUsed: 'revoke',
  unused: 'revoke',
  adminUnused: 'fewerScopes',
};

export const stepFor = (reason: Attention): Step => STEPS[reason];
