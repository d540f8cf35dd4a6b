import type { ChangeCount, DatabaseHealth } from '../ipc';
import { sinceDismissed, stillDismissed } from './counts';

/** What the app knows of the database of the running server. */
export class Database {
  #health = $state.raw<DatabaseHealth>({ stopped: null, full: null, recordFailure: null, changes: [] });
  #dismissed = $state.raw<readonly ChangeCount[]>([]);

  /** Why nothing can be changed. */
  get stopped(): DatabaseHealth['stopped'] {
    return this.#health.stopped;
  }

  /** Why nothing but revocations can be changed. */
  get full(): DatabaseHealth['full'] {
    return this.#health.full;
  }

  /** Why revocations are recorded in the database alone. */
  get recordFailure(): DatabaseHealth['recordFailure'] {
    return this.#health.recordFailure;
  }

  /** What other apps changed, and nobody has dismissed. */
  get changes(): ChangeCount[] {
    return sinceDismissed(this.#health.changes, this.#dismissed);
  }

  update(health: DatabaseHealth): void {
    this.#health = health;
    this.#dismissed = stillDismissed(health.changes, this.#dismissed);
  }

  dismiss(): void {
    this.#dismissed = this.#health.changes;
  }
}
