import { expect, it } from 'vitest';
import { problemAfter, type Problem } from './problem';

const stopped: Problem = { state: 'stopped', detail: '' };
const taken: Problem = { state: 'portInUse', port: 8576, usedBy: null, nextFree: 8577 };

it('keeps showing a problem while the service starts', () => {
  expect(problemAfter(null, { state: 'starting' })).toBeNull();
  expect(problemAfter(stopped, { state: 'starting' })).toBe(stopped);
});

it('shows what an attempt ended with', () => {
  expect(problemAfter(stopped, taken)).toBe(taken);
  expect(
    problemAfter(taken, { state: 'running', url: '', port: 8577, host: 'app', canKeepRunning: true, exportLine: '' }),
  ).toBeNull();
});
