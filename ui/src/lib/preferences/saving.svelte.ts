import { toFailure, type Failure } from '../ipc';

const SHOWN_MS = 3000;

/** What became of the last change of one preference. */
export class Saving {
  /** Just now. */
  saved = $state(false);
  /** Why it could not be kept. */
  failure = $state.raw<Failure | null>(null);
  #timer: ReturnType<typeof setTimeout> | undefined;

  async run(save: () => Promise<void>): Promise<void> {
    clearTimeout(this.#timer);
    this.saved = false;
    this.failure = null;
    try {
      await save();
      this.saved = true;
      this.#timer = setTimeout(() => (this.saved = false), SHOWN_MS);
    } catch (thrown) {
      this.failure = toFailure(thrown);
    }
  }
}
