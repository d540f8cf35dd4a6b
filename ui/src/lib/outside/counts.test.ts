import { expect, it } from 'vitest';
import { sinceDismissed, stillDismissed } from './counts';

const added = { change: 'added', keys: 2, times: 1 } as const;
const lost = { change: 'recordLost', keys: 0, times: 1 } as const;

it('shows what was found after the last dismissal', () => {
  expect(sinceDismissed([added, lost], [])).toEqual([added, lost]);
  expect(sinceDismissed([added, lost], [added, lost])).toEqual([]);
  expect(sinceDismissed([{ change: 'added', keys: 5, times: 2 }, lost], [added])).toEqual([
    { change: 'added', keys: 3, times: 1 },
    lost,
  ]);
});

it('shows a change without keys again when it was found again', () => {
  expect(sinceDismissed([{ ...lost, times: 3 }], [lost])).toEqual([{ ...lost, times: 2 }]);
});

it('forgets dismissals when another server counts anew', () => {
  expect(stillDismissed([{ ...lost, times: 2 }, added], [lost])).toEqual([lost]);
  expect(stillDismissed([], [lost])).toEqual([]);
  expect(stillDismissed([lost], [{ ...lost, times: 2 }])).toEqual([]);
});
