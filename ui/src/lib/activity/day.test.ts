import { afterEach, expect, it, vi } from 'vitest';
import { localDay } from './day';

afterEach(() => vi.unstubAllEnvs());

it('is the day of the person, not of Greenwich', () => {
  vi.stubEnv('TZ', 'America/Sao_Paulo');
  expect(localDay(new Date('2026-03-01T01:30:00Z'))).toBe('2026-02-28');
  vi.stubEnv('TZ', 'Asia/Tokyo');
  expect(localDay(new Date('2026-12-31T15:00:00Z'))).toBe('2027-01-01');
});
