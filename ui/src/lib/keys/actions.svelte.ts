import type { ApiKey } from '../ipc';

/**
 * What can be done with one key, each in a dialog or guide of its own; `fewerScopes` rotates to a key that may do less.
 */
export type KeyAction = 'use' | 'rotate' | 'fewerScopes' | 'rename' | 'revoke';

interface Started {
  action: KeyAction;
  key: ApiKey;
}

/**
 * The one open dialog about a key. The list's menu, the panel beside it or a notice opens it, and sets the element that
 * receives the focus afterwards.
 */
export class KeyActions {
  #started = $state.raw<Started | null>(null);
  #open = $state(false);
  #returnFocus: () => void = () => undefined;

  /** What was asked for last; it stays while its dialog fades. */
  get started(): Started | null {
    return this.#started;
  }

  get open(): boolean {
    return this.#open;
  }

  start(action: KeyAction, key: ApiKey, returnFocus: () => void): void {
    this.#started = { action, key };
    this.#returnFocus = returnFocus;
    this.#open = true;
  }

  /** Closes the dialog; it takes some moments to fade. */
  close(): void {
    this.#open = false;
  }

  /** The dialog is gone. */
  closed(): void {
    if (!this.#open) this.#returnFocus();
  }
}
