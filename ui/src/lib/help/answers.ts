/** What is said about a pasted text, the weightiest first. */

import type { CheckReport } from '../ipc';
import type { Paste, Slip } from './paste';
import { isSameServer } from './request';

export type Answer =
  | { about: 'server'; server: string }
  | { about: 'slip'; slip: Slip }
  | { about: 'finding'; diagnosis: CheckReport }
  /** All is well here; the refusal came from somewhere else, or to another key. */
  | { about: 'elsewhere' }
  /** Nothing but the refusal itself. */
  | { about: 'refused'; status: NonNullable<Paste['refused']> }
  | { about: 'nothing' };

export function answersTo(paste: Paste, diagnosis: CheckReport | null, ownUrl: string | null): Answer[] {
  const answers: Answer[] = [];
  const elsewhere = paste.server !== null && ownUrl !== null && !isSameServer(paste.server, ownUrl);
  if (elsewhere && paste.server) answers.push({ about: 'server', server: paste.server });
  if (paste.slip) answers.push({ about: 'slip', slip: paste.slip });
  if (diagnosis) answers.push({ about: 'finding', diagnosis });

  const accepted = diagnosis?.finding.kind === 'accepted';
  const unexplained = paste.refused !== null || (paste.usesOwnClient && paste.server === null);
  if (accepted && !elsewhere && !paste.slip && unexplained) answers.push({ about: 'elsewhere' });
  if (answers.length > 0) return answers;
  return paste.refused ? [{ about: 'refused', status: paste.refused }] : [{ about: 'nothing' }];
}
