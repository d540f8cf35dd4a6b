import type { Scope } from '../ipc';

/** Every scope, in the order in which they are documented and always listed. */
export const SCOPES: readonly Scope[] = ['training', 'models', 'datasets', 'read', 'write', 'admin'];

export interface Suggestion {
  name: string;
  scopes: readonly Scope[];
}

/** Common uses with the least that each of them needs. */
export const SUGGESTIONS: readonly Suggestion[] = [
  { name: 'training-server', scopes: ['training', 'read'] },
  { name: 'ci-pipeline', scopes: ['models', 'datasets'] },
  { name: 'mobile-app', scopes: ['read'] },
];

export function inOrder(scopes: Iterable<Scope>): Scope[] {
  const chosen = new Set(scopes);
  return SCOPES.filter((scope) => chosen.has(scope));
}

/** The scopes that add something to the others: writing includes every resource and reading. */
export function withoutImplied(scopes: Iterable<Scope>): Scope[] {
  const chosen = inOrder(scopes);
  return chosen.includes('write') ? chosen.filter((scope) => scope === 'write' || scope === 'admin') : chosen;
}
