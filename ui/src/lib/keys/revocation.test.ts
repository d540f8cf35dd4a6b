import { expect, it, vi } from 'vitest';
import { Failure, type ApiKey } from '../ipc';
import { afterFailure } from './revocation';

const getKey = vi.hoisted(() => vi.fn<() => Promise<Pick<ApiKey, 'revokedAt'>>>());
vi.mock('../ipc', async (original) => ({ ...(await original()), getKey }));

const after = (code: 'NOT_FOUND' | 'DATABASE_BUSY' | 'SERVICE_UNAVAILABLE') =>
  afterFailure('key', new Failure(code, ''));

it('fetches the key only when the error does not say whether it was revoked', async () => {
  expect(await after('NOT_FOUND')).toBe('revoked');
  expect(await after('DATABASE_BUSY')).toBe('notRevoked');
  expect(getKey).not.toHaveBeenCalled();
});

it('knows the outcome only when the service reports it', async () => {
  getKey.mockResolvedValueOnce({ revokedAt: '2026-02-02T12:00:00Z' });
  expect(await after('SERVICE_UNAVAILABLE')).toBe('revoked');
  getKey.mockResolvedValueOnce({ revokedAt: null });
  expect(await after('SERVICE_UNAVAILABLE')).toBe('notRevoked');
  getKey.mockRejectedValueOnce(new Failure('SERVICE_UNAVAILABLE', ''));
  expect(await after('SERVICE_UNAVAILABLE')).toBe('unknown');
});
