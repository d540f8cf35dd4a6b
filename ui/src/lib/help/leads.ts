import type { ApiKey, Scope } from '../ipc';

/** Where an answer leads. */
export interface Leads {
  /** To a new key, with these scopes to begin with. */
  create: (scopes: readonly Scope[]) => void;
  /** To a key in the list. */
  show: (key: ApiKey) => void;
}
