import type { ChangeCount } from '../ipc';

/** The changes that were found since those that a person has dismissed. A change without keys is as it was found. */
export function sinceDismissed(all: readonly ChangeCount[], dismissed: readonly ChangeCount[]): ChangeCount[] {
  return all.flatMap(({ change, keys }) => {
    const known = dismissed.find((count) => count.change === change);
    if (known === undefined) return [{ change, keys }];
    return keys > known.keys ? [{ change, keys: keys - known.keys }] : [];
  });
}
