import type { KeySource } from '../ipc';

const HOUR = 60 * 60_000;

/** What the last uses say: nobody has used the new key yet, somebody still uses the old one, or all have moved. */
export type Verdict = 'waiting' | 'oldInUse' | 'moved';

/** When a key was first and last used. */
export interface Uses {
  first: string | null;
  last: string | null;
}

/**
 * All have moved when the old key has been silent since the first use of the new one. Where a program was late, an hour of
 * silence counts as well, but only if the new key was in use after it: a nightly job that has not run yet proves nothing.
 */
export function verdict(oldLastUsedAt: string | null, next: Uses, now: number): Verdict {
  if (next.last === null) return 'waiting';
  if (oldLastUsedAt === null) return 'moved';
  const old = Date.parse(oldLastUsedAt);
  if (old > Date.parse(next.last)) return 'oldInUse';
  return old < Date.parse(next.first ?? next.last) || now - old >= HOUR ? 'moved' : 'oldInUse';
}

/** When a key was first used, as far as its programs tell. */
export function firstUse(sources: readonly KeySource[]): string | null {
  const [first = null] = sources.map((source) => source.firstUsedAt).sort((a, b) => Date.parse(a) - Date.parse(b));
  return first;
}

/** Whether a program that used the old key has used the new one since. */
export function hasMoved(program: KeySource, sources: readonly KeySource[]): boolean {
  return sources.some(
    ({ agent, peer, lastUsedAt }) =>
      agent === program.agent && peer === program.peer && Date.parse(lastUsedAt) > Date.parse(program.lastUsedAt),
  );
}
