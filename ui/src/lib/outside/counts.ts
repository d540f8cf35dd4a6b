import type { ChangeCount } from '../ipc';

/** The changes that were found since those that a person has dismissed. */
export function sinceDismissed(all: readonly ChangeCount[], dismissed: readonly ChangeCount[]): ChangeCount[] {
  return all.flatMap(({ change, keys, times }) => {
    const known = dismissed.find((count) => count.change === change);
    if (known === undefined) return [{ change, keys, times }];
    return times > known.times ? [{ change, keys: keys - known.keys, times: times - known.times }] : [];
  });
}

/** What of the dismissed changes still counts: nothing once another server has begun to count anew. */
export function stillDismissed(all: readonly ChangeCount[], dismissed: readonly ChangeCount[]): readonly ChangeCount[] {
  const isSame = ({ change, times }: ChangeCount) =>
    all.some((count) => count.change === change && count.times >= times);
  return dismissed.every(isSame) ? dismissed : [];
}
