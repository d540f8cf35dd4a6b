import { clearClipboard, type AppEvent } from '../ipc';

const TICK_MS = 250;

/** How long a copied key stays on the clipboard. */
export class Clipboard {
  #clearsAt = $state.raw<number | null>(null);
  #now = $state.raw(0);
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Whole seconds until the app takes the key off; `null` when there is nothing to take off. */
  readonly secondsLeft = $derived(
    this.#clearsAt === null ? null : Math.max(0, Math.ceil((this.#clearsAt - this.#now) / 1000)),
  );

  /** How many seconds a copied key stays; `null` for as long as it likes. */
  staysSeconds = $state.raw<number | null>(null);

  /** Whether the key could not be taken off at its time. The app tries again. */
  overdue = $state.raw(false);

  update({ clearsAt, overdue, staysSeconds }: Extract<AppEvent, { type: 'clipboard' }>): void {
    this.staysSeconds = staysSeconds;
    this.overdue = overdue;
    this.#clearsAt = clearsAt === null ? null : Date.parse(clearsAt);
    this.#now = Date.now();
    clearInterval(this.#timer);
    if (clearsAt !== null) this.#timer = setInterval(() => (this.#now = Date.now()), TICK_MS);
  }

  clear(): Promise<null> {
    return clearClipboard();
  }
}
