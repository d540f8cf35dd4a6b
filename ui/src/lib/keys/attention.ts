import type { Attention } from '../ipc';

/** What to do about a key that calls for attention. */
export type Step = 'rotate' | 'fewerScopes' | 'revoke';

const STEPS: Record<Attention, Step> = {
  old: 'rotate',
  neverUsed: 'revoke',
  unused: 'revoke',
  adminUnused: 'fewerScopes',
};

export const stepFor = (reason: Attention): Step => STEPS[reason];

/** The dialog or guide in which the step is taken. */
export const actionFor = (step: Step): 'rotate' | 'revoke' => (step === 'revoke' ? 'revoke' : 'rotate');
