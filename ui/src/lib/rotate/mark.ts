import { t } from '../i18n/index.svelte';
import type { Partner } from './pair';

/** Which of the two a key is whose rotation has this partner. */
export const sideOf = (partner: Partner): 'old' | 'new' => (partner.isNew ? 'old' : 'new');

/** What the mark of such a key means, in a sentence. */
export const rotationSentence = (partner: Partner): string =>
  t(`rotate.mark.${sideOf(partner)}.sentence`, { prefix: partner.key.keyPrefix });
