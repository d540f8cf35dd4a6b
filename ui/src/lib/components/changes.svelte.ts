import { untrack } from 'svelte';

/** Calls `act` whenever what `read` gives is no longer what it was, and for nothing else that `act` reads. */
export function whenChanged<T>(read: () => T, act: (value: T) => void): void {
  let before = read();
  $effect(() => {
    const value = read();
    if (value === before) return;
    before = value;
    untrack(() => {
      act(value);
    });
  });
}
