import { toFailure, type Failure } from '../ipc';

const SHOWN_MS = 3000;

/** The outcome of the last change of one preference. */
export class Saving {
  /** Just now. */
  saved = $state(false);
  /** Why it could not be kept. */
  failure = $state.raw<Failure | null>(null);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #runs = 0;

  /** Saves, and resolves in any case. Whether it was saved. */
  async run(save: () => Promise<void>): Promise<boolean> {
    clearTimeout(this.#timer);
    this.saved = false;
    this.failure = null;
    const run = ++this.#runs;
    // What came of an earlier change is no longer of interest.
    const isLatest = () => run === this.#runs;
    try {
      await save();
      if (!isLatest()) return true;
      this.saved = true;
      this.#timer = setTimeout(() => (this.saved = false), SHOWN_MS);
      return true;
    } catch (thrown) {
      if (isLatest()) this.failure = toFailure(thrown);
      return false;
    }
  }
}
