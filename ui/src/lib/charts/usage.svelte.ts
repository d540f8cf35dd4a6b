import { keyUsage, toFailure, type Failure, type HourlyUse } from '../ipc';
import { buckets, hoursOf, type Bucket, type Range } from './usage';

/** The requests with a key of the last day or month, as far as they are known. */
export class Usage {
  readonly #keyId: string;
  readonly #range: Range;
  #answer = $state.raw<{ hours: HourlyUse[]; at: number } | null>(null);
  #failure = $state.raw<Failure | null>(null);
  #asked = 0;

  constructor(keyId: string, range: Range) {
    this.#keyId = keyId;
    this.#range = range;
  }

  readonly #buckets = $derived.by(() =>
    this.#answer ? buckets(this.#answer.hours, this.#range, this.#answer.at) : null,
  );

  /** `null` until the first answer. */
  get buckets(): Bucket[] | null {
    return this.#buckets;
  }

  /** Why nothing is known, or why it may be out of date. */
  get failure(): Failure | null {
    return this.#failure;
  }

  async load(): Promise<void> {
    const question = ++this.#asked;
    const at = Date.now();
    try {
      const { hours } = await keyUsage(this.#keyId, hoursOf(this.#range, at));
      if (question !== this.#asked) return;
      this.#answer = { hours, at };
      this.#failure = null;
    } catch (reason) {
      if (question === this.#asked) this.#failure = toFailure(reason);
    }
  }
}
