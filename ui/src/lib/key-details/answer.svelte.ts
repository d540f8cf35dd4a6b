import { toFailure, type Failure } from '../ipc';

/** What the service answers to one question, which may be asked again. */
export class Answer<T> {
  readonly #ask: () => Promise<T>;
  #value = $state.raw<T | null>(null);
  #failure = $state.raw<Failure | null>(null);
  #asked = 0;

  constructor(ask: () => Promise<T>) {
    this.#ask = ask;
  }

  /** `null` until the first answer. */
  get value(): T | null {
    return this.#value;
  }

  /** Why there is no answer, or why it may be out of date. */
  get failure(): Failure | null {
    return this.#failure;
  }

  async load(): Promise<void> {
    const question = ++this.#asked;
    try {
      const value = await this.#ask();
      if (question !== this.#asked) return;
      this.#value = value;
      this.#failure = null;
    } catch (reason) {
      if (question === this.#asked) this.#failure = toFailure(reason);
    }
  }
}
