import { tick } from 'svelte';
import { scroller } from './scroller.svelte';

/** The sections of the window, in the order of the sidebar. */
export const SECTIONS = ['keys', 'activity', 'connection', 'preferences', 'help'] as const;

export type Section = (typeof SECTIONS)[number];

/** Every section's heading, which takes the focus when a person goes there. */
export const HEADING_ID = 'section-title';

let current = $state<Section>('keys');

export const section = (): Section => current;

/** Shows a section, and focuses its heading so that a screen reader announces it. */
export async function goTo(wanted: Section): Promise<void> {
  current = wanted;
  await tick();
  scroller()?.scrollTo({ top: 0 });
  document.getElementById(HEADING_ID)?.focus();
}
