import { expect, it } from 'vitest';
import { sinceDismissed } from './counts';

it('shows what was found after the last dismissal', () => {
  const added = { change: 'added', keys: 2 } as const;
  const closed = { change: 'whileClosed', keys: 0 } as const;
  expect(sinceDismissed([added, closed], [])).toEqual([added, closed]);
  expect(sinceDismissed([added, closed], [added, closed])).toEqual([]);
  expect(sinceDismissed([{ change: 'added', keys: 5 }, closed], [added])).toEqual([
    { change: 'added', keys: 3 },
    closed,
  ]);
});
