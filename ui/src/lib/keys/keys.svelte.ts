import { SvelteSet } from 'svelte/reactivity';
import { listKeys, revokeKey, toFailure, type ApiKey, type Failure, type KeyEvent } from '../ipc';
import { withKey, withoutKey, withUses } from './list';

const FADE_MS = 150;
const HIGHLIGHT_MS = 2400;

/** The list of keys and what is happening to it. Never holds a plaintext. */
export class Keys {
  #list = $state.raw<ApiKey[] | null>(null);
  #failure = $state.raw<Failure | null>(null);
  #highlighted = $state<string | null>(null);
  readonly #leaving = new SvelteSet<string>();
  readonly #revoked = new SvelteSet<string>();
  #loading = false;
  #changedWhileLoading = false;

  /** `null` until the first answer. */
  get list(): ApiKey[] | null {
    return this.#list;
  }

  /** Why there is no list. */
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

  hasName(name: string): boolean {
    return this.#list?.some((key) => key.name === name && !this.isRevoked(key.keyId)) ?? false;
  }

  /** Lists again until an answer is not overtaken by a change. */
  async load(): Promise<void> {
    this.#changedWhileLoading = this.#loading;
    if (this.#loading) return;
    this.#loading = true;
    try {
      do {
        this.#changedWhileLoading = false;
        const keys = await listKeys();
        this.#list = keys.filter(({ keyId }) => !this.#revoked.has(keyId));
        this.#failure = null;
      } while (this.#wasOvertaken());
    } catch (reason) {
      this.#failure = toFailure(reason);
    } finally {
      this.#loading = false;
    }
  }

  #wasOvertaken(): boolean {
    return this.#changedWhileLoading;
  }

  apply(event: KeyEvent): void {
    this.#changedWhileLoading = true;
    switch (event.type) {
      case 'created': {
        const { keyId, name, keyPrefix, scopes, createdAt, lastUsedAt } = event;
        return this.add({ keyId, name, keyPrefix, scopes, createdAt, lastUsedAt });
      }
      case 'revoked':
        return this.#remove(event.keyId);
      case 'used':
        if (this.#list) this.#list = withUses(this.#list, event.uses);
        return;
      case 'resync':
        void this.load();
    }
  }

  add(key: ApiKey): void {
    if (!this.#revoked.has(key.keyId)) this.#list = withKey(this.#list ?? [], key);
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
