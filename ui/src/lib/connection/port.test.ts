import { expect, it } from 'vitest';
import { parsePort } from './port';

it.each([
  ['8576', 8576],
  [' 1024 ', 1024],
  ['65535', 65535],
])('reads %j', (text, port) => expect(parsePort(text)).toBe(port));

it.each(['', '1023', '65536', '-8576', '8576.0', '8e3', '٨٥٧٦', '0x2180'])('refuses %j', (text) =>
  expect(parsePort(text)).toBeNull(),
);
