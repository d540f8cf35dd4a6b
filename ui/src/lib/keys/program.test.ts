import { expect, it } from 'vitest';
import { programOf } from './program';

it.each([
  ['python-httpx/0.28.1', '127.0.0.1', 'python-httpx'],
  ['curl/8.5.0', '::1', 'curl'],
  ['Mozilla/5.0 (X11; Linux x86_64) Gecko/1', '127.0.0.1', 'Mozilla'],
  ['my-trainer', '127.0.0.1', 'my-trainer'],
  ['my-trainer/2', '10.0.0.7', 'my-trainer (10.0.0.7)'],
  ['(hidden: it contains a key)', '127.0.0.1', '(hidden: it contains a key)'],
  [null, '127.0.0.1', null],
])('shortens %s from %s', (agent, peer, program) => expect(programOf({ agent, peer })).toBe(program));
