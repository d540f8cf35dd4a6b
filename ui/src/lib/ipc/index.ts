import { Channel, invoke } from '@tauri-apps/api/core';
import type { ApiKey, AppEvent, CreateKey, CreatedKey, RevokedKey, KeyList, ServiceStatus } from './bindings';
import { toFailure } from './failure';

export type * from './bindings';
export { Failure, toFailure } from './failure';

async function call<T>(command: string, args: Record<string, unknown> = {}): Promise<T> {
  try {
    return await invoke<T>(command, args);
  } catch (reason) {
    throw toFailure(reason);
  }
}

/** All active keys, newest first. */
export async function listKeys(): Promise<ApiKey[]> {
  return (await call<KeyList>('list_keys')).keys;
}

/** The answer is the only message that ever carries a key's plaintext. */
export const createKey = (request: CreateKey) => call<CreatedKey>('create_key', { ...request });

/** Puts the key that was just created on the clipboard. */
export const copyKey = (keyId: string) => call<null>('copy_key', { keyId });

/** Takes the copied key off the clipboard, if it is still there. */
export const clearClipboard = () => call<null>('clear_clipboard');

/** Makes the app forget the plaintext of the key that was just created. */
export const discardSecret = () => call<null>('discard_secret');

export const revokeKey = (keyId: string) => call<RevokedKey>('revoke_key', { keyId });

export const copyKeyId = (keyId: string) => call<null>('copy_key_id', { keyId });

export const retryService = () => call<ServiceStatus>('retry_service');

export const changePort = (port: number) => call<ServiceStatus>('change_port', { port });

/** Copies the line that tells programs where the service is. */
export const copyServiceUrl = () => call<null>('copy_service_url');

/** From now on `handle` learns of every change, beginning with the present state of the service. */
export function watch(handle: (event: AppEvent) => void): Promise<null> {
  return call<null>('watch', { channel: new Channel<AppEvent>(handle) });
}
