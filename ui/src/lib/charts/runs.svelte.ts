import {
  cancelRun,
  deleteRun,
  listRuns,
  getRun,
  toFailure,
  type Failure,
  type RunStatus,
  type TrainingRun,
  type TrainingRunDetails,
  type TrainingStorage,
} from '../ipc';
import { standing, withFirstPage } from './runList';

/** Nothing waits for less than this. */
const PLACEHOLDER_MS = 150;

/** The training runs that a key fed, and the one of them that is open. */
export class Runs {
  readonly #keyId: string;
  #list = $state.raw<TrainingRun[] | null>(null);
  #storage = $state.raw<TrainingStorage | null>(null);
  #next = $state.raw<string | null>(null);
  #failure = $state.raw<Failure | null>(null);
  #opened = $state.raw<number | null>(null);
  /** The run that is to be open as soon as there is something to show of it. */
  #wanted: number | null = null;
  #details = $state.raw<TrainingRunDetails | null>(null);
  #detailsFailure = $state.raw<{ runId: number; reason: Failure } | null>(null);
  /** Whether the person has opened or closed a run. */
  #chosen = false;

  constructor(keyId: string) {
    this.#keyId = keyId;
  }

  /** Newest first; `null` until the first answer. */
  get list(): TrainingRun[] | null {
    return this.#list;
  }

  /** How much is stored; `null` until the first answer. */
  get storage(): TrainingStorage | null {
    return this.#storage;
  }

  get hasMore(): boolean {
    return this.#next !== null;
  }

  /** Why there is no list, or why it may be out of date. */
  get failure(): Failure | null {
    return this.#failure;
  }

  get opened(): number | null {
    return this.#opened;
  }

  /** Of the open run; `null` until they are there. */
  get details(): TrainingRunDetails | null {
    return this.#details?.runId === this.#opened ? this.#details : null;
  }

  get detailsFailure(): Failure | null {
    return this.#detailsFailure?.runId === this.#opened ? this.#detailsFailure.reason : null;
  }

  /** Whether there is something to watch. */
  get isLive(): boolean {
    const now = Date.now();
    return this.#list?.some((run) => ['running', 'stopping'].includes(standing(run, now))) ?? false;
  }

  /** Opens a run, or closes it. What it shows comes with it, unless that takes long. */
  async toggle(runId: number): Promise<void> {
    this.#chosen = true;
    this.#wanted = this.#wanted === runId ? null : runId;
    if (this.#wanted !== null) await Promise.race([this.#load(runId, this.#list), rest(PLACEHOLDER_MS)]);
    this.#opened = this.#wanted;
  }

  async refresh(): Promise<void> {
    try {
      const { runs: page, nextCursor, storage } = await listRuns(this.#keyId, null);
      // Until the person chooses, the newest run that is running is the one to look at.
      if (!this.#chosen) this.#wanted = newestRunning(page)?.runId ?? this.#wanted;
      const settled = (this.#list ?? []).filter(({ status }) => status !== 'running');
      if (this.#wanted !== null) await this.#load(this.#wanted, [...page, ...settled]);
      const { runs, joined } = withFirstPage(this.#list ?? [], page);
      this.#list = runs;
      this.#storage = storage;
      this.#opened = this.#wanted;
      if (!joined) this.#next = nextCursor;
      this.#failure = null;
    } catch (reason) {
      this.#failure = toFailure(reason);
    }
  }

  async loadDetails(): Promise<void> {
    if (this.#wanted !== null) await this.#load(this.#wanted, null);
  }

  async loadMore(): Promise<void> {
    if (this.#next === null) return;
    try {
      const { runs, nextCursor } = await listRuns(this.#keyId, this.#next);
      this.#list = [...(this.#list ?? []), ...runs];
      this.#next = nextCursor;
      this.#failure = null;
    } catch (reason) {
      this.#failure = toFailure(reason);
    }
  }

  /** How the run stands afterwards: it may have ended before. */
  async cancel(runId: number): Promise<RunStatus> {
    const { status } = await cancelRun(runId);
    await this.refresh();
    return status;
  }

  async delete(runId: number): Promise<void> {
    await deleteRun(runId);
    this.#list = (this.#list ?? []).filter((run) => run.runId !== runId);
    if (this.#wanted === runId) this.#wanted = null;
    this.#opened = this.#wanted;
    await this.refresh();
  }

  /** Asks for a run unless the list shows that nothing has changed; with many epochs it is much to send. */
  async #load(runId: number, list: readonly TrainingRun[] | null): Promise<void> {
    const listed = list?.find((run) => run.runId === runId);
    if (this.#details?.runId === runId && listed && !hasChanged(this.#details, listed)) return;
    try {
      const details = await getRun(runId);
      if (this.#wanted !== runId) return;
      this.#details = details;
      this.#detailsFailure = null;
    } catch (reason) {
      if (this.#wanted === runId) this.#detailsFailure = { runId, reason: toFailure(reason) };
    }
  }
}

const rest = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));

function newestRunning(runs: readonly TrainingRun[]): TrainingRun | undefined {
  const now = Date.now();
  return runs.find((run) => standing(run, now) === 'running');
}

function hasChanged(known: TrainingRunDetails, listed: TrainingRun): boolean {
  const facts = ['status', 'recordedEpochs', 'plannedEpochs', 'hasCheckpoint', 'error', 'resultsDropped'] as const;
  return facts.some((fact) => known[fact] !== listed[fact]);
}
