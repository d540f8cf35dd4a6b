import { clearClipboard, type AppEvent, type ClipboardState } from '../ipc';

const TICK_MS = 250;

/** How long a copied key stays on the clipboard. */
export class Clipboard {
  #clearsAt = $state.raw<number | null>(null);
  #now = $state.raw(0);
  #timer: ReturnType<typeof setInterval> | undefined;
  #state = $state.raw<ClipboardState>('clear');
  #dismissed = $state.raw(false);

  /** Whole seconds until the app takes the key off; `null` when there is nothing to take off. */
  readonly secondsLeft = $derived(
    this.#clearsAt === null ? null : Math.max(0, Math.ceil((this.#clearsAt - this.#now) / 1000)),
  );

  /** What is to be said of a key that should no longer be there; `null` when there is nothing to say. */
  readonly notice = $derived(this.#state === 'clear' || this.#state === 'held' || this.#dismissed ? null : this.#state);

  /** How many seconds a copied key stays; `null` for as long as it likes. */
  staysSeconds = $state.raw<number | null>(null);

  update({ clearsAt, state, staysSeconds }: Extract<AppEvent, { type: 'clipboard' }>): void {
    this.staysSeconds = staysSeconds;
    if (state !== this.#state) this.#dismissed = false;
    this.#state = state;
    this.#clearsAt = clearsAt === null ? null : Date.parse(clearsAt);
    this.#now = Date.now();
    clearInterval(this.#timer);
    if (clearsAt !== null) this.#timer = setInterval(() => (this.#now = Date.now()), TICK_MS);
  }

  /** Whether the key is gone. */
  clear(): Promise<boolean> {
    return clearClipboard();
  }

  dismiss(): void {
    this.#dismissed = true;
  }
}
