import { sayFailure } from '../components/toasts.svelte';
import { change, preferences } from './preferences.svelte';
import { sizeAfter } from './textSize';

/** Does what a key for larger or smaller text asks for. Whether it was one. */
export function changeTextSize(event: KeyboardEvent): boolean {
  const textPercent = sizeAfter(event, preferences()?.textPercent ?? 100);
  if (textPercent === null) return false;
  event.preventDefault();
  change({ textPercent }).catch(sayFailure);
  return true;
}
