import type { TrainingRun } from '../ipc';

export type Standing = 'running' | 'silent' | 'stopping' | 'completed' | 'failed' | 'cancelled';

type Reported = Pick<TrainingRun, 'status' | 'reportDueAt'>;

/** How a run stands, from what the service knows and the time: a run becomes silent while nothing else happens. */
export function standing({ status, reportDueAt }: Reported, now: number): Standing {
  const overdue = reportDueAt !== null && now > Date.parse(reportDueAt);
  if (status === 'running') return overdue ? 'silent' : 'running';
  // Its program learns of it with its next report, which is still expected.
  if (status === 'cancelled' && reportDueAt !== null && !overdue) return 'stopping';
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
