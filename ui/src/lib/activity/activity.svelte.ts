import { SvelteSet } from 'svelte/reactivity';
import { listActivity, toFailure, type ActivityEntry, type ActivityQuery, type Failure } from '../ipc';
import { continued, refreshed, type Listing } from './entries';

type Question = Pick<ActivityQuery, 'keyId' | 'kind'>;

/** Activity as far as it is shown: the newest entries, and older ones on demand. */
export class Activity {
  #question: Question = {};
  #listing = $state.raw<Listing | null>(null);
  #failure = $state.raw<Failure | null>(null);
  #olderFailure = $state.raw<Failure | null>(null);
  #loadingOlder = $state(false);
  #newest = 0;
  readonly #fresh = new SvelteSet<number>();
  readonly #pageSize: number;

  constructor(pageSize = 50) {
    this.#pageSize = pageSize;
  }

  /** Newest first; `null` until the first answer. */
  get entries(): readonly ActivityEntry[] | null {
    return this.#listing?.entries ?? null;
  }

  /** Why there are no entries, or why they may be out of date. */
  get failure(): Failure | null {
    return this.#failure;
  }

  get hasOlder(): boolean {
    return (this.#listing?.next ?? null) !== null;
  }

  get loadingOlder(): boolean {
    return this.#loadingOlder;
  }

  /** Why older entries could not be read. */
  get olderFailure(): Failure | null {
    return this.#olderFailure;
  }

  /** How many entries have come since the list was first shown. */
  get freshCount(): number {
    return this.#fresh.size;
  }

  /** Whether the entry came while one looked. */
  isFresh(entry: ActivityEntry): boolean {
    return this.#fresh.has(entry.id);
  }

  /** Shows other activity. What is there stays until the answer. */
  async show(question: Question): Promise<void> {
    this.#question = question;
    this.#olderFailure = null;
    try {
      const page = await this.#ask();
      if (this.#question !== question) return;
      this.#fresh.clear();
      this.#newest = page.entries[0]?.id ?? 0;
      this.#listing = page;
      this.#failure = null;
    } catch (reason) {
      if (this.#question !== question) return;
      this.#listing = null;
      this.#failure = toFailure(reason);
    }
  }

  /** Shows what is new. */
  async refresh(): Promise<void> {
    const question = this.#question;
    try {
      const page = await this.#ask();
      if (this.#question !== question) return;
      // An empty list may be filled by old entries: from a service that is reached again, for instance.
      for (const { id } of this.#listing ? page.entries : []) if (id > this.#newest) this.#fresh.add(id);
      this.#newest = Math.max(this.#newest, page.entries[0]?.id ?? 0);
      this.#listing = this.#listing ? refreshed(this.#listing, page) : page;
      this.#failure = null;
    } catch (reason) {
      if (this.#question === question) this.#failure = toFailure(reason);
    }
  }

  async loadOlder(): Promise<void> {
    const [question, listing] = [this.#question, this.#listing];
    if (this.#loadingOlder || !listing?.next) return;
    this.#loadingOlder = true;
    try {
      const page = await this.#ask(listing.next);
      // Newer entries may have been added in front of it during the request.
      if (this.#question === question && this.#listing?.next === listing.next) {
        this.#listing = continued(this.#listing, page);
        this.#olderFailure = null;
      }
    } catch (reason) {
      if (this.#question === question) this.#olderFailure = toFailure(reason);
    } finally {
      this.#loadingOlder = false;
    }
  }

  #ask(cursor?: string) {
    return listActivity({ ...this.#question, cursor, limit: this.#pageSize });
  }
}
