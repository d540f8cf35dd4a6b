import { SvelteSet } from 'svelte/reactivity';
import {
  countKeys,
  listKeys,
  revokeKey,
  toFailure,
  type ApiKey,
  type Failure,
  type KeyCounts,
  type KeyEvent,
  type KeySort,
  type KeyStatus,
} from '../ipc';
import {
  find,
  keyAt,
  mapKeys,
  neighbor,
  NO_PAGES,
  PAGE_SIZE,
  pageOf,
  pagesOf,
  rowOf,
  withPage,
  type Pages,
  type Rows,
} from './pages';
import { sortOf } from './sort';
import { newestUses, NO_USES, withUse } from './uses';

const FADE_MS = 150;
const HIGHLIGHT_MS = 2400;
/** A use is written down a little after it was announced. */
const WRITTEN_MS = 1300;
const ASK_AGAIN_MS = 60_000;
/** How long the stream of events gets to begin. */
const STREAM_MS = 300;
/** Pages are fetched once scrolling has paused for this time, so that pages that are scrolled past are not fetched. */
const STAY_MS = 80;
/** Changes that come one after the other are fetched together. */
const SETTLE_MS = 60;

/** Which keys are shown, and in which order. */
export interface View {
  status: KeyStatus;
  text: string;
  sort: KeySort;
}

const FIRST_ROWS: Rows = { first: 0, last: PAGE_SIZE - 1 };

const FIRST_VIEW: View = { status: 'active', text: '', sort: '-createdAt' };

/**
 * The visible part of the list of keys: the pages around the visible rows, and the pending changes to their keys. The
 * service searches, sorts and counts. Never holds a plaintext.
 */
export class Keys {
  #view = $state.raw<View>(FIRST_VIEW);
  /** What `#pages` and `#total` are of: the view before, until the first page of a new one is there. */
  #shown = $state.raw<View>(FIRST_VIEW);
  #pages = $state.raw<Pages>(NO_PAGES);
  #total = $state.raw<number | null>(null);
  #counts = $state.raw<KeyCounts | null>(null);
  #failure = $state.raw<Failure | null>(null);
  #countFailure = $state.raw<Failure | null>(null);
  #highlighted = $state<string | null>(null);
  readonly #leaving = new SvelteSet<string>();
  readonly #revoked = new SvelteSet<string>();
  #uses = $state.raw(NO_USES);
  #changes = $state(0);
  #reloads = $state(0);
  #resyncs = $state(0);
  #visible: Rows = FIRST_ROWS;
  #held: readonly number[] = [];
  #working: Promise<void> | null = null;
  #loads = 0;
  /** Everything at hand may be out of date. */
  #outdated = true;
  /** The numbers of each status may be, too. */
  #recount = true;
  #counting = 0;
  #counted: Promise<void> | null = null;
  readonly #askedAt: Record<string, number> = {};
  #looksAgain = false;
  #settles = false;
  #staying: ReturnType<typeof setTimeout> | undefined;

  get view(): View {
    return this.#view;
  }

  /** The view whose keys are at hand. */
  get shown(): View {
    return this.#shown;
  }

  /** Whether it is not known yet what there is. */
  get isLoading(): boolean {
    return this.#total === null || (this.#total === 0 && this.#counts === null);
  }

  /** How many keys the view has; `null` until the first answer. */
  get total(): number | null {
    return this.#total;
  }

  /** How many keys there are of each status; `null` until the first answer. */
  get counts(): KeyCounts | null {
    return this.#counts;
  }

  /** Why there is no list, or why it may be out of date. */
  get failure(): Failure | null {
    return this.#failure ?? this.#countFailure;
  }

  /** The key to point out for a moment. */
  get highlighted(): string | null {
    return this.#highlighted;
  }

  /** Counts the changes to keys, apart from their use. */
  get changes(): number {
    return this.#changes;
  }

  /** Counts how often all visible pages were fetched again. */
  get reloads(): number {
    return this.#reloads;
  }

  /** Counts how often nothing was heard of keys for a while: anything may have become of them. */
  get resyncs(): number {
    return this.#resyncs;
  }

  /** The key in that row, where it is at hand. */
  at(row: number): ApiKey | undefined {
    return keyAt(this.#pages, row);
  }

  /** The latest known state of the key. */
  live(key: ApiKey): ApiKey {
    return withUse(find(this.#pages, key.keyId) ?? key, this.#uses);
  }

  /** The key whose row takes the focus when this one leaves. */
  neighbor(keyId: string): ApiKey | undefined {
    return neighbor(this.#pages, keyId);
  }

  isLeaving(keyId: string): boolean {
    return this.#leaving.has(keyId);
  }

  /** Whether the key was revoked since the window was opened. */
  isRevoked(keyId: string): boolean {
    return this.#revoked.has(keyId);
  }

  /** Shows other keys, in an order that they have. The present ones stay until the others are there. */
  show(view: Partial<View>): void {
    const { status, sort } = { ...this.#view, ...view };
    const changes = status !== this.#view.status;
    this.#view = { ...this.#view, ...view, sort: changes ? sortOf(status, sort) : sort };
    this.#visible = FIRST_ROWS;
    this.#outdated = true;
    void this.#work();
  }

  /** Fetches what is missing of these rows. */
  need(rows: Rows): void {
    const passing = Math.abs(rows.first - this.#visible.first) > PAGE_SIZE;
    this.#visible = rows;
    if (passing) {
      clearTimeout(this.#staying);
      this.#staying = setTimeout(() => {
        this.#staying = undefined;
        if (this.#missing() !== undefined) void this.#work();
      }, STAY_MS);
    } else if (this.#staying === undefined && this.#missing() !== undefined) void this.#work();
  }

  /**
   * Keeps the keys of these rows at hand, wherever the visible rows are: they have the focus, or their details are
   * open.
   */
  hold(rows: readonly number[]): void {
    this.#held = rows;
  }

  /** The row of a key, where it is at hand. */
  rowOf(keyId: string): number | undefined {
    return rowOf(this.#pages, keyId);
  }

  /** Fetches again what is visible, until the answer is not overtaken by a change. */
  async load(): Promise<void> {
    this.#outdated = true;
    this.#recount = true;
    await this.#work();
    await this.#counted;
  }

  /** Loads unless the stream of events, whose beginning asks for the same, is quicker. */
  loadSoon(): void {
    const loads = this.#loads;
    setTimeout(() => {
      if (this.#loads === loads) void this.load();
    }, STREAM_MS);
  }

  #settle(): void {
    this.#changes += 1;
    // Begun anew by each change, it would never end while a program makes one key after the other.
    if (this.#settles) return;
    this.#settles = true;
    setTimeout(() => {
      this.#settles = false;
      void this.load();
    }, SETTLE_MS);
  }

  #work(): Promise<void> {
    this.#working ??= this.#fetch().finally(() => (this.#working = null));
    return this.#working;
  }

  async #fetch(): Promise<void> {
    try {
      while (this.#outdated || this.#missing() !== undefined) {
        if (this.#outdated) await this.#reload();
        const page = this.#missing();
        if (page !== undefined) await this.#add(page);
      }
      this.#failure = null;
    } catch (reason) {
      this.#failure = toFailure(reason);
      // What is at hand may be of the view before: no page of the new one is put beside it.
      this.#outdated = true;
    }
  }

  /** The first page that is visible and not at hand. */
  #missing(): number | undefined {
    const last = Math.min(this.#visible.last, (this.#total ?? 0) - 1);
    if (last < this.#visible.first) return undefined;
    return pagesOf({ first: this.#visible.first, last }).find((page) => !this.#pages.has(page));
  }

  async #reload(): Promise<void> {
    this.#outdated = false;
    this.#loads += 1;
    const view = this.#view;
    if (this.#recount) this.#counted = this.#count();
    this.#recount = false;
    const visible = pagesOf(this.#visible);
    const held = view === this.#shown ? this.#held.map(pageOf) : [];
    const others = held.filter(
      (page, index) => this.#pages.has(page) && !visible.includes(page) && held.indexOf(page) === index,
    );
    // The new pages replace all old ones in one step, so that no row flashes and none loses the focus.
    let pages = NO_PAGES;
    let total = 0;
    for (const numbers of [visible, ...others.map((page) => [page])]) {
      const [from = 0] = numbers;
      const answer = await this.#list(view, from, numbers.length);
      total = answer.total;
      for (const [index, page] of numbers.entries()) {
        const keys = answer.keys.slice(index * PAGE_SIZE, (index + 1) * PAGE_SIZE);
        if (index === 0 || keys.length > 0) pages = withPage(pages, page, keys, this.#visible, this.#held);
      }
    }
    this.#total = total;
    this.#shown = view;
    this.#pages = pages;
    this.#reloads += 1;
  }

  /** The numbers of each status; the rows need not wait for them. */
  async #count(): Promise<void> {
    this.#counting += 1;
    const number = this.#counting;
    // An older answer does not win.
    const isNewest = () => number === this.#counting;
    try {
      const counts = await countKeys();
      if (!isNewest()) return;
      this.#counts = counts;
      this.#countFailure = null;
    } catch (reason) {
      if (!isNewest()) return;
      this.#countFailure = toFailure(reason);
      this.#recount = true;
    }
  }

  async #add(page: number): Promise<void> {
    const view = this.#view;
    const { keys, total } = await this.#list(view, page, 1);
    if (view !== this.#view || this.#outdated) return;
    // Something moved the rows: what is at hand is no longer where it was.
    if (total !== this.#total) this.#outdated = true;
    else this.#pages = withPage(this.#pages, page, keys, this.#visible, this.#held);
  }

  async #list({ status, text, sort }: View, page: number, count: number) {
    const [skip, limit] = [page * PAGE_SIZE, count * PAGE_SIZE];
    const { keys, total } = await listKeys({ status, text, sort, skip, limit });
    return { keys: keys.map((key) => withUse(key, this.#uses)), total };
  }

  apply(event: KeyEvent): void {
    switch (event.type) {
      case 'created':
        this.#settle();
        return;
      case 'renamed': {
        const { type: _type, ...key } = event;
        this.update(key);
        return;
      }
      case 'revoked':
        this.#remove(event.keyId);
        return;
      case 'used':
        // Kept, because the answer to a listing under way may be older.
        this.#uses = newestUses(this.#uses, event.uses);
        this.#pages = mapKeys(this.#pages, (key) => withUse(key, this.#uses));
        if (event.uses.some(({ keyId }) => this.#mayCalmDown(keyId))) this.#lookAgain();
        return;
      case 'resync':
        this.#resyncs += 1;
        void this.load();
    }
  }

  /**
   * Whether a use of the key may have ended a reason for attention. Asked at times only: a key may be in use for days.
   */
  #mayCalmDown(keyId: string): boolean {
    const reasons = find(this.#pages, keyId)?.attention;
    if (reasons?.every((reason) => reason === 'old')) return false;
    const asked = this.#askedAt[keyId];
    // Of a key that is not at hand, the first use tells all that later ones do.
    if (asked !== undefined && (reasons === undefined || Date.now() - asked < ASK_AGAIN_MS)) return false;
    this.#askedAt[keyId] = Date.now();
    return true;
  }

  #lookAgain(): void {
    if (this.#looksAgain) return;
    this.#looksAgain = true;
    setTimeout(() => {
      this.#looksAgain = false;
      void this.load();
    }, WRITTEN_MS);
  }

  /** A key was made. */
  add(key: ApiKey): void {
    if (!this.#revoked.has(key.keyId)) this.#settle();
  }

  /** A key is something else now: shown at once where it stands, and soon where it belongs. */
  update(key: ApiKey): void {
    const { attention: _attention, ...changed } = key;
    this.#pages = mapKeys(this.#pages, (known) => (known.keyId === key.keyId ? { ...known, ...changed } : known));
    this.#settle();
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
    this.#changes += 1;
    setTimeout(() => {
      void this.load().finally(() => this.#leaving.delete(keyId));
    }, FADE_MS);
  }
}
