import type { TrainingRun } from '../ipc';

/** A training process says something every few seconds; one that has said nothing for so long may have died. */
const SILENT_MS = 10 * 60_000;

export type Standing = 'running' | 'silent' | 'stopping' | 'completed' | 'failed' | 'cancelled';

type Reported = Pick<TrainingRun, 'status' | 'lastEventAt' | 'endedAt'>;

/** How a run stands, told from its record and the time. */
export function standing({ status, lastEventAt, endedAt }: Reported, now: number): Standing {
  const heard = Date.parse(lastEventAt);
  const silent = now - heard > SILENT_MS;
  if (status === 'running') return silent ? 'silent' : 'running';
  // The process learns of it with its next report, which then comes after the cancelling.
  if (status === 'cancelled' && endedAt !== null && heard <= Date.parse(endedAt) && !silent) return 'stopping';
  return status;
}

/** The first page anew, and what is known of the pages after it as long as nothing can lie between. */
export function withFirstPage(
  known: readonly TrainingRun[],
  page: readonly TrainingRun[],
): { runs: TrainingRun[]; joined: boolean } {
  const last = page.at(-1)?.runId ?? 0;
  const joined = known.some(({ runId }) => runId === last);
  return { runs: [...page, ...(joined ? known.filter(({ runId }) => runId < last) : [])], joined };
}

/** The epoch that was last recorded, as people count; the final validation is none. */
export function epochReached({ recordedEpochs, plannedEpochs }: TrainingRun): number {
  return Math.min(recordedEpochs, plannedEpochs ?? recordedEpochs);
}
