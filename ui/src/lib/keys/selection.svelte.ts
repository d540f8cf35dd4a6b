import { SvelteMap } from 'svelte/reactivity';
import type { ApiKey } from '../ipc';

/** The keys that a person has chosen in the list, to do something with them together. */
export class Selection {
  readonly #keys = new SvelteMap<string, ApiKey>();

  #generation = 0;

  /** Grows when the selection is cleared: keys that were requested before must not be selected any more. */
  get generation(): number {
    return this.#generation;
  }

  get size(): number {
    return this.#keys.size;
  }

  /** In the order in which they were chosen. */
  get keys(): ApiKey[] {
    return [...this.#keys.values()];
  }

  has(keyId: string): boolean {
    return this.#keys.has(keyId);
  }

  set(key: ApiKey, chosen: boolean): void {
    if (chosen) this.#keys.set(key.keyId, key);
    else this.remove(key.keyId);
  }

  remove(keyId: string): void {
    this.#keys.delete(keyId);
  }

  clear(): void {
    this.#generation += 1;
    this.#keys.clear();
  }
}
