import type { KeyClient } from '../ipc';
import { programOf } from '../keys/program';

const HOUR = 60 * 60_000;

/**
 * What the last uses say: nobody has used the new key yet, somebody still uses the old one, it is silent but a program
 * that used it has not used the new one, or all have moved.
 */
export type Verdict = 'waiting' | 'oldInUse' | 'someMoved' | 'moved';

/** When a key was first and last used. */
export interface Uses {
  first: string | null;
  last: string | null;
}

/**
 * The old key is silent when it has been so since the first use of the new one. Where a program was late, an hour
 * counts as well, but only if the new key was in use after it. Of a program that runs once a week, silence tells
 * nothing: `missing` is how many are not known to have moved.
 */
export function verdict(oldLastUsedAt: string | null, next: Uses, missing: number, now: number): Verdict {
  if (next.last === null) return 'waiting';
  if (oldLastUsedAt === null) return 'moved';
  const old = Date.parse(oldLastUsedAt);
  if (old > Date.parse(next.last)) return 'oldInUse';
  const isSilent = old < Date.parse(next.first ?? next.last) || now - old >= HOUR;
  if (!isSilent) return 'oldInUse';
  return missing > 0 ? 'someMoved' : 'moved';
}

/** When a key was first used, as far as its programs tell. */
export function firstUse(sources: readonly KeyClient[]): string | null {
  const [first = null] = sources.map((source) => source.firstUsedAt).sort((a, b) => Date.parse(a) - Date.parse(b));
  return first;
}

/** Whether a program that used the old key has used the new one since, in whatever version. */
export function hasMoved(program: KeyClient, sources: readonly KeyClient[]): boolean {
  return sources.some(
    (source) =>
      source.peer === program.peer &&
      programOf(source) === programOf(program) &&
      Date.parse(source.lastUsedAt) > Date.parse(program.lastUsedAt),
  );
}
