import type { Scope } from '../ipc';

/** Every scope, in the order in which they are documented and always listed. */
export const SCOPES: readonly Scope[] = ['training', 'models', 'datasets', 'read', 'write', 'admin'];

/** A name and scopes, as typed or as suggested. */
export interface Choice {
  name: string;
  scopes: readonly Scope[];
}

/** Common uses with the least that each of them needs. */
export const SUGGESTIONS: readonly Choice[] = [
  { name: 'training-server', scopes: ['training', 'read'] },
  { name: 'ci-pipeline', scopes: ['models', 'datasets'] },
  { name: 'mobile-app', scopes: ['read'] },
];

/** The choice with a suggestion in place of what an earlier one filled in; what a person typed or ticked stays. */
export function suggested(chosen: Choice, earlier: Choice, suggestion: Choice): { chosen: Choice; filled: Choice } {
  const own = chosen.scopes.filter((scope) => !earlier.scopes.includes(scope));
  const added = suggestion.scopes.filter((scope) => !own.includes(scope));
  const free = chosen.name.trim() === '' || chosen.name === earlier.name;
  return {
    chosen: { name: free ? suggestion.name : chosen.name, scopes: [...own, ...added] },
    filled: { name: free ? suggestion.name : '', scopes: added },
  };
}

export function inOrder(scopes: Iterable<Scope>): Scope[] {
  const chosen = new Set(scopes);
  return SCOPES.filter((scope) => chosen.has(scope));
}

/** The scopes that add something to the others: writing includes every resource and reading. */
export function withoutImplied(scopes: Iterable<Scope>): Scope[] {
  const chosen = inOrder(scopes);
  return chosen.includes('write') ? chosen.filter((scope) => scope === 'write' || scope === 'admin') : chosen;
}
