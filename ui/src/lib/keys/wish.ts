import type { Scope } from '../ipc';

/** What another part of the window asks of the list: a key to be made, with these scopes to begin with, or a search. */
export type Wish = 'create' | 'search' | { scopes: readonly Scope[] };
