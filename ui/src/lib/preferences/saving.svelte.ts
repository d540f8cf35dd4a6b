import { failureText } from '../i18n/index.svelte';
import { toFailure } from '../ipc';

const SHOWN_MS = 3000;

/** What became of the last change of one preference. */
export class Saving {
  /** Just now. */
  saved = $state(false);
  /** Why it could not be kept. */
  reason = $state<string | null>(null);
  #timer: ReturnType<typeof setTimeout> | undefined;

  async run(save: () => Promise<void>): Promise<void> {
    clearTimeout(this.#timer);
    this.saved = false;
    this.reason = null;
    try {
      await save();
      this.saved = true;
      this.#timer = setTimeout(() => (this.saved = false), SHOWN_MS);
    } catch (thrown) {
      this.reason = failureText(toFailure(thrown));
    }
  }
}
