import { getKeyUsage, toFailure, type Failure, type HourlyUsage } from '../ipc';
import { buckets, hoursOf, type Bucket, type Range } from './usage';

interface Answer {
  range: Range;
  hours: HourlyUsage[];
  at: number;
}

/** The requests with a key of the last day or month, as far as they are known. */
export class Usage {
  readonly #keyId: string;
  #answer = $state.raw<Answer | null>(null);
  #failure = $state.raw<{ range: Range; reason: Failure } | null>(null);
  #asked = 0;

  constructor(keyId: string) {
    this.#keyId = keyId;
  }

  readonly #shown = $derived.by(() => {
    if (!this.#answer) return null;
    const { range, hours, at } = this.#answer;
    // Until there is an answer for another period, what was shown stays; numbers of the wrong period do not.
    if (this.#failure && this.#failure.range !== range) return null;
    return { range, buckets: buckets(hours, range, at) };
  });

  /** `null` until the first answer. */
  get shown(): { range: Range; buckets: Bucket[] } | null {
    return this.#shown;
  }

  /** Why nothing is known, or why it may be out of date. */
  get failure(): Failure | null {
    return this.#failure?.reason ?? null;
  }

  async load(range: Range): Promise<void> {
    const question = ++this.#asked;
    const at = Date.now();
    try {
      const { hours } = await getKeyUsage(this.#keyId, hoursOf(range, at));
      if (question !== this.#asked) return;
      this.#answer = { range, hours, at };
      this.#failure = null;
    } catch (reason) {
      if (question === this.#asked) this.#failure = { range, reason: toFailure(reason) };
    }
  }
}
