import type { ApiKey, UnsavedKey, OneTimeState } from '../ipc';

/** What happens in the window that shows a new key. */
export class OneTime {
  #showing = $state.raw<ApiKey | null>(null);
  #lost = $state.raw<UnsavedKey | null>(null);
  #dismissed = $state<string | null>(null);
  /** Somebody else than the dialog for creating keys waits for that window to close. */
  attended = $state(false);

  /** The key that is being shown there. */
  get showing(): ApiKey | null {
    return this.#showing;
  }

  /** A key that nobody has, because it was put away before it was copied. */
  get lost(): UnsavedKey | null {
    return this.#lost?.key.keyId === this.#dismissed ? null : this.#lost;
  }

  update({ showing, lost }: OneTimeState): void {
    // The wait for the window ends when it closes, even if the component that waited is gone.
    if (this.#showing && !showing) this.attended = false;
    this.#showing = showing;
    this.#lost = lost;
  }

  dismiss(): void {
    this.#dismissed = this.#lost?.key.keyId ?? null;
  }
}
