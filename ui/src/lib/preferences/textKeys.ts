import { sayFailure } from '../components/toasts.svelte';
import { change } from './preferences.svelte';
import { sizeAfter } from './textSize';

/** Does what a key for larger or smaller text asks for. Whether it was one. */
export function changeTextSize(event: KeyboardEvent): boolean {
  if (sizeAfter(event, 100) === null) return false;
  event.preventDefault();
  change(({ textPercent }) => ({ textPercent: sizeAfter(event, textPercent) ?? textPercent })).catch(sayFailure);
  return true;
}
