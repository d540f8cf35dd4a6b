import { expect, it } from 'vitest';
import type { CheckReport, CheckResult } from '../ipc';
import { answersTo } from './answers';
import { readPaste } from './paste';

const URL = 'http://127.0.0.1:8576';
const KEY = `ul_${'a'.repeat(40)}`;

const found = (finding: CheckResult): CheckReport => ({ finding, cause: '', remedy: '', key: null });
const accepted = found({ kind: 'accepted' });
const about = (text: string, diagnosis: CheckReport | null) =>
  answersTo(readPaste(text), diagnosis, URL).map((answer) => answer.about);

it.each([
  [KEY, accepted, ['finding']],
  [KEY, found({ kind: 'unknown' }), ['finding']],
  [`curl -H "Authorization: Bearer ${KEY}" ${URL}/api/models`, accepted, ['finding']],
  [`curl -H "Authorization: Bearer ${KEY}" https://example.org/api/models`, accepted, ['server', 'finding']],
  [`curl -H "Authorization: ${KEY}" ${URL}/api/models`, accepted, ['slip', 'finding']],
  [`ULTRALYTICS_API_KEY=${KEY} yolo train`, accepted, ['finding', 'elsewhere']],
  [`ULTRALYTICS_API_KEY=${KEY} ULTRALYTICS_PLATFORM_URL=${URL} yolo train`, accepted, ['finding']],
  [`${KEY} Invalid API key`, accepted, ['finding', 'elsewhere']],
  [`${KEY} Invalid API key`, found({ kind: 'unknown' }), ['finding']],
  ['export ULTRALYTICS_API_KEY=', null, ['slip']],
  ['curl https://example.org/api/models', null, ['server']],
  ['API request failed (HTTP 401): Invalid API key', null, ['refused']],
  ['hello there', null, ['nothing']],
])('%j', (text, diagnosis, answers) => expect(about(text, diagnosis)).toEqual(answers));
