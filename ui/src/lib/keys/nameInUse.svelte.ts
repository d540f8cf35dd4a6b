import { listKeys } from '../ipc';
import { nameProblem } from './name';

const PAUSE_MS = 250;
/** More of a key than any list shows. What could become one is asked of nobody. */
const KEY_LIKE = /ul_[0-9a-f]{9,}/i;

/** Whether an active key has the name that is being typed, as far as the service has told. */
export class NameInUse {
  #taken = $state.raw<{ name: string; taken: boolean } | null>(null);
  #asked: string | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `except` is the key whose own name it may be. */
  constructor(readonly except: string | null = null) {}

  /** Not known is no. */
  is(name: string): boolean {
    return this.#taken?.name === name && this.#taken.taken;
  }

  /** Asks once the typing pauses. */
  ask(name: string): void {
    if (name === this.#asked) return;
    this.forget();
    if (nameProblem(name) !== null || KEY_LIKE.test(name)) return;
    this.#asked = name;
    this.#timer = setTimeout(() => void this.#fetch(name), PAUSE_MS);
  }

  forget(): void {
    clearTimeout(this.#timer);
    this.#asked = null;
    this.#taken = null;
  }

  async #fetch(name: string): Promise<void> {
    try {
      const { keys } = await listKeys({ name, limit: 2 });
      if (this.#asked === name) this.#taken = { name, taken: keys.some(({ keyId }) => keyId !== this.except) };
    } catch {
      // A hint that does not come is no failure.
    }
  }
}
