import { formatNumber, t } from '../i18n/index.svelte';
import type { OutsideChange } from '../ipc';

/** A change by another app in words. */
export function changeText(change: OutsideChange, keys: number): string {
  switch (change) {
    case 'whileClosed':
    case 'recordLost':
    case 'recordReplaced':
    case 'recordDamaged':
      return t(`outside.event.${change}`);
    default:
      return t(`outside.change.${change}`, { count: keys, keys: formatNumber(keys) });
  }
}
