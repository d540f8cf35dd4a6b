import type { KeyEvent } from '../ipc';
import { filteredKeyWasRenamed } from './filter.svelte';
import { keyWasRenamed } from './names.svelte';

/** The service publishes usage before it stores it; after this time, it can be read. */
const WRITTEN_MS = 1300;
/** Rejected requests are found by looking at times: in a flood of them, their events would cause too many requests. */
const LOOK_EVERY_MS = 4000;

const followed = new Set<() => void>();

/** Asks again wherever activity or usage is shown, once what the event tells can be read. */
export function activityChanged(event: KeyEvent): void {
  if (event.type === 'rejected' || event.type === 'runChanged' || event.type === 'runDeleted') return;
  if (event.type === 'renamed') {
    keyWasRenamed(event.keyId, event.name);
    filteredKeyWasRenamed(event.keyId, event.name);
  }
  const soon = event.type === 'used' ? WRITTEN_MS : 0;
  for (const refresh of followed) setTimeout(refresh, soon);
}

/**
 * Calls `refresh` when activity or usage may have changed, at most once at a time, until the returned function is
 * called. While nobody sees the window, it only listens.
 */
export function follow(refresh: () => Promise<void>): () => void {
  let working = false;
  let again = false;
  let stopped = false;

  async function run() {
    again = true;
    if (working) return;
    working = true;
    while (again && !stopped) {
      again = false;
      await refresh();
    }
    working = false;
  }

  const look = () => void run();
  const lookIfSeen = () => document.visibilityState === 'visible' && look();
  followed.add(look);
  const timer = setInterval(lookIfSeen, LOOK_EVERY_MS);
  document.addEventListener('visibilitychange', lookIfSeen);
  return () => {
    stopped = true;
    followed.delete(look);
    clearInterval(timer);
    document.removeEventListener('visibilitychange', lookIfSeen);
  };
}
