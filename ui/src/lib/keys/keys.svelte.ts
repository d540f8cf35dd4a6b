import { SvelteSet } from 'svelte/reactivity';
import { listKeys, revokeKey, toFailure, type ApiKey, type Failure, type KeyEvent } from '../ipc';
import { newestUses, NO_USES, withKey, withoutKey, withUses } from './list';

const FADE_MS = 150;
const HIGHLIGHT_MS = 2400;
/** How long the stream of events gets to begin. */
const STREAM_MS = 300;

/** The list of keys and what is happening to it. Never holds a plaintext. */
export class Keys {
  #list = $state.raw<ApiKey[] | null>(null);
  #failure = $state.raw<Failure | null>(null);
  #highlighted = $state<string | null>(null);
  readonly #leaving = new SvelteSet<string>();
  readonly #revoked = new SvelteSet<string>();
  #uses = NO_USES;
  #loading: Promise<void> | null = null;
  #listings = 0;
  #changedWhileLoading = false;

  /** `null` until the first answer. */
  get list(): ApiKey[] | null {
    return this.#list;
  }

  /** Why there is no list, or why it may be out of date. */
  get failure(): Failure | null {
    return this.#failure;
  }

  /** The key to point out for a moment. */
  get highlighted(): string | null {
    return this.#highlighted;
  }

  isLeaving(keyId: string): boolean {
    return this.#leaving.has(keyId);
  }

  isRevoked(keyId: string): boolean {
    return this.#revoked.has(keyId);
  }

  has(keyId: string): boolean {
    return this.#list?.some((key) => key.keyId === keyId) ?? false;
  }

  hasName(name: string): boolean {
    return this.#list?.some((key) => key.name === name && !this.isRevoked(key.keyId)) ?? false;
  }

  /** Lists again until an answer is not overtaken by a change; whoever asks meanwhile waits for the same answer. */
  load(): Promise<void> {
    this.#changedWhileLoading = true;
    this.#loading ??= this.#fetch().finally(() => (this.#loading = null));
    return this.#loading;
  }

  /** Loads unless the stream of events, whose beginning asks for the same, is quicker. */
  loadSoon(): void {
    const listings = this.#listings;
    setTimeout(() => {
      if (this.#listings === listings) void this.load();
    }, STREAM_MS);
  }

  async #fetch(): Promise<void> {
    try {
      while (this.#changedWhileLoading) {
        this.#changedWhileLoading = false;
        this.#listings += 1;
        const { keys } = await listKeys({ limit: 500 });
        const active = keys.filter(({ keyId }) => !this.#revoked.has(keyId));
        this.#list = withUses(active, this.#uses);
        this.#failure = null;
      }
    } catch (reason) {
      this.#failure = toFailure(reason);
    }
  }

  apply(event: KeyEvent): void {
    switch (event.type) {
      case 'created':
      case 'renamed': {
        this.#changedWhileLoading = true;
        const { type: _type, ...key } = event;
        return this.add(key);
      }
      case 'revoked':
        return this.#remove(event.keyId);
      case 'used':
        // Kept, because the answer to a listing under way may be older.
        this.#uses = newestUses(this.#uses, event.uses);
        if (this.#list) this.#list = withUses(this.#list, this.#uses);
        return;
      case 'resync':
        void this.load();
    }
  }

  add(key: ApiKey): void {
    // Before the first answer one key would pass for all of them; that answer will hold it.
    if (this.#list && !this.#revoked.has(key.keyId)) this.#list = withKey(this.#list, key);
  }

  highlight(keyId: string): void {
    this.#highlighted = keyId;
    setTimeout(() => {
      if (this.#highlighted === keyId) this.#highlighted = null;
    }, HIGHLIGHT_MS);
  }

  /** Resolves when the service has committed; only then does the row leave. */
  async revoke(keyId: string): Promise<void> {
    await revokeKey(keyId);
    this.#remove(keyId);
  }

  /** Takes out a key that turned out to be gone. */
  forget(keyId: string): void {
    this.#remove(keyId);
  }

  #remove(keyId: string): void {
    if (this.#revoked.has(keyId)) return;
    this.#revoked.add(keyId);
    this.#leaving.add(keyId);
    setTimeout(() => {
      if (this.#list) this.#list = withoutKey(this.#list, keyId);
      this.#leaving.delete(keyId);
    }, FADE_MS);
  }
}
