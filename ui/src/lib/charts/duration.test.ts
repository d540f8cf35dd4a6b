import { expect, it } from 'vitest';
import { duration, fileSize } from './duration';

const SECOND = 1000;
const HOUR = 3600 * SECOND;

it.each([
  [0, '0 sec'],
  [-5 * SECOND, '0 sec'],
  [59 * SECOND, '59 sec'],
  [125 * SECOND, '2 min 5 sec'],
  [2 * HOUR, '2 hr'],
  [2 * HOUR + 5 * 60 * SECOND + SECOND, '2 hr 5 min'],
  [51 * HOUR, '2 days 3 hr'],
])('calls %i ms %s', (milliseconds, words) => expect(duration(milliseconds, 'en')).toBe(words));

it('speaks German', () => expect(duration(2 * HOUR + 60 * SECOND, 'de')).toBe('2 Std. 1 Min.'));

it.each([
  [0, '0 byte'],
  [999, '999 byte'],
  [5_411_290, '5.4 MB'],
  [5_000_000_000_000, '5,000 GB'],
])('calls %i bytes %s', (bytes, words) => expect(fileSize(bytes, 'en')).toBe(words));
