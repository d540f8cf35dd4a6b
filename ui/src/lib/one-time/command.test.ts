import { expect, it } from 'vitest';
import { runCommand } from './command';

it.each([
  ['training-server', 'ul-keys run --key training-server -- yolo train'],
  ['my laptop', "ul-keys run --key 'my laptop' -- yolo train"],
  ["it's $HOME", String.raw`ul-keys run --key 'it'\''s $HOME' -- yolo train`],
  ['-gpu', 'ul-keys run --key=-gpu -- yolo train'],
  ['學習', "ul-keys run --key '學習' -- yolo train"],
])('quotes %s', (name, command) => expect(runCommand(name)).toBe(command));
