import { describe, expect, it } from 'vitest';
import type { TrainingRun } from '../ipc';
import { epochReached, standing, withFirstPage } from './runList';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const run = (facts: Partial<TrainingRun>): TrainingRun => ({
  runId: 1,
  modelUrl: '',
  modelId: 'm1',
  project: 'project',
  slug: 'exp1',
  status: 'running',
  plannedEpochs: 3,
  recordedEpochs: 0,
  device: 'cpu',
  keyIds: [],
  startedAt: '2026-11-22T11:00:00Z',
  lastEventAt: '2026-11-22T11:59:00Z',
  endedAt: null,
  error: null,
  hasCheckpoint: false,
  reportDueAt: '2026-11-22T12:09:00Z',
  silentSince: null,
  resultsDropped: false,
  ...facts,
});

describe('a run', () => {
  it('whose report is overdue is silent', () => {
    expect(standing(run({}), NOW)).toBe('running');
    expect(standing(run({}), NOW + 9 * 60_000)).toBe('running');
    expect(standing(run({}), NOW + 9 * 60_000 + 1)).toBe('silent');
    expect(standing(run({ status: 'completed', reportDueAt: null }), NOW + 600_000)).toBe('completed');
  });

  it('that was cancelled is stopping until its program has heard of it', () => {
    const cancelled = run({ status: 'cancelled', endedAt: '2026-11-22T11:59:30Z' });
    expect(standing(cancelled, NOW)).toBe('stopping');
    expect(standing({ ...cancelled, reportDueAt: null }, NOW)).toBe('cancelled');
    // Nobody is there any more to hear of it.
    expect(standing(cancelled, NOW + 600_000)).toBe('cancelled');
  });

  it('does not count its final validation as an epoch', () => {
    expect(epochReached(run({ recordedEpochs: 2 }))).toBe(2);
    expect(epochReached(run({ recordedEpochs: 4 }))).toBe(3);
    expect(epochReached(run({ recordedEpochs: 4, plannedEpochs: null }))).toBe(4);
  });
});

describe('the first page anew', () => {
  const ids = (numbers: number[]) => numbers.map((runId) => run({ runId }));
  const merged = (known: number[], page: number[]) => {
    const { runs, joined } = withFirstPage(ids(known), ids(page));
    return [runs.map(({ runId }) => runId), joined];
  };

  it('stands for itself at the beginning', () => expect(merged([], [3, 2])).toEqual([[3, 2], false]));
  it('goes before the pages that were known', () => {
    expect(merged([5, 4, 3, 2], [6, 5, 4])).toEqual([[6, 5, 4, 3, 2], true]);
  });
  it('drops them where something may lie between', () => expect(merged([5, 4, 3], [9, 8])).toEqual([[9, 8], false]));
  it('may be empty', () => expect(merged([], [])).toEqual([[], false]));
});
