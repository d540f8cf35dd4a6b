import { getKeyUsage, toFailure, type ApiKey, type Failure, type KeyClient } from '../ipc';
import type { Keys } from '../keys/keys.svelte';
import { findPair, pairOf, type Pair } from './pair';
import { firstUse, hasMoved, verdict, type Verdict } from './verdict';

const HOURS = 24;

/** Where a rotation stands. All of it is in the data, so that it can be left at any time and taken up again. */
export class Rotation {
  #pair = $state.raw<Pair | null>(null);
  #oldSources = $state.raw<KeyClient[]>([]);
  #newSources = $state.raw<KeyClient[]>([]);
  #failure = $state.raw<Failure | null>(null);
  #asking: Promise<void> | null = null;
  #asksAgain = false;

  /** `key` is the old key or the new one. */
  constructor(
    readonly key: ApiKey,
    readonly keys: Keys,
  ) {}

  /** The key that is to be replaced; `null` until the first answer. */
  get old(): ApiKey | null {
    return this.#pair && this.keys.live(this.#pair.old);
  }

  /** The active key in its place. */
  get next(): ApiKey | null {
    return this.#pair?.next ? this.keys.live(this.#pair.next) : null;
  }

  /** The programs that used each of them, the latest first. */
  get oldSources(): readonly KeyClient[] {
    return this.#oldSources;
  }

  get newSources(): readonly KeyClient[] {
    return this.#newSources;
  }

  /** How many programs of the old key are not known to have moved. */
  get missing(): number {
    return this.#oldSources.filter((program) => !hasMoved(program, this.#newSources)).length;
  }

  /**
   * What the last uses say. The guide and the dialog that revokes the old key both ask here, so that they say the same.
   */
  verdict(now: number): Verdict {
    const uses = { first: firstUse(this.#newSources), last: this.next?.lastUsedAt ?? null };
    return verdict(this.old?.lastUsedAt ?? null, uses, this.missing, now);
  }

  /** Why the latest state is not known. */
  get failure(): Failure | null {
    return this.#failure;
  }

  /** Asks where it stands; where that is under way, once more after it, because something may have changed since. */
  refresh(): Promise<void> {
    this.#asksAgain = true;
    this.#asking ??= this.#ask().finally(() => (this.#asking = null));
    return this.#asking;
  }

  async #ask(): Promise<void> {
    while (this.#asksAgain) {
      this.#asksAgain = false;
      try {
        // Once it is clear which one is the old key, that stays so, even when it is revoked.
        const pair = await (this.#pair ? pairOf(this.#pair.old.keyId) : findPair(this.key.keyId));
        const [old, next] = await Promise.all([
          getKeyUsage(pair.old.keyId, HOURS),
          pair.next && getKeyUsage(pair.next.keyId, HOURS),
        ]);
        this.#oldSources = old.sources;
        this.#newSources = next?.sources ?? [];
        this.#pair = pair;
        this.#failure = null;
      } catch (reason) {
        this.#failure = toFailure(reason);
      }
    }
  }
}
