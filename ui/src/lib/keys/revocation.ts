import { getKey, type Failure } from '../ipc';

/** What is known of a key that was to be revoked. */
export type Revocation = 'revoked' | 'notRevoked' | 'unknown';

/** Finds out whether a key is revoked after its revocation failed, or the answer was lost. */
export async function afterFailure(keyId: string, reason: Failure): Promise<Revocation> {
  // A key that does not exist cannot be used either.
  if (reason.code === 'NOT_FOUND') return 'revoked';
  if (reason.hadNoEffect) return 'notRevoked';
  const key = await getKey(keyId).catch(() => null);
  if (key === null) return 'unknown';
  return key.revokedAt === null ? 'notRevoked' : 'revoked';
}
