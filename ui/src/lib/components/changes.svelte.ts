import { untrack } from 'svelte';

/** Calls `act` whenever what `read` gives is no longer what it was, and for nothing else that `act` reads. */
export function whenChanged<T>(read: () => T, act: (value: T, before: T) => void): void {
  let last = read();
  $effect(() => {
    const value = read();
    const before = last;
    if (value === before) return;
    last = value;
    untrack(() => {
      act(value, before);
    });
  });
}
