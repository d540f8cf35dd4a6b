import { setLocale } from '../i18n/index.svelte';
import type { SystemLocale } from '../i18n/language';
import { changePreferences, type Preferences } from '../ipc';

let current = $state.raw<Preferences | null>(null);
let system: SystemLocale | null = null;

/** What the person prefers; `null` until the app has told. */
export const preferences = (): Preferences | null => current;

/** Follows what the app tells of them. */
export function follow(told: { preferences: Preferences } & SystemLocale): void {
  system = told;
  apply(told.preferences);
}

function apply(preferences: Preferences): void {
  current = preferences;
  if (system) setLocale(preferences.language, system);
  const { dataset, style } = document.documentElement;
  // Every length of the pages follows the size of the text (rem).
  style.fontSize = preferences.textPercent === 100 ? '' : `${String(preferences.textPercent)}%`;
  if (preferences.theme === 'system') delete dataset.theme;
  else dataset.theme = preferences.theme;
}

/** The last change, which the next one waits for: each begins with what the one before has left. */
let last: Promise<unknown> = Promise.resolve();

type Change = Partial<Preferences> | ((present: Preferences) => Partial<Preferences>);

/** Keeps some of them. Resolves when they are kept; every window follows. */
export function change(wish: Change): Promise<void> {
  const next = last.then(async () => {
    if (!current) return;
    const wanted = { ...current, ...(typeof wish === 'function' ? wish(current) : wish) };
    await changePreferences(wanted);
    apply(wanted);
  });
  last = next.catch(() => undefined);
  return next;
}
