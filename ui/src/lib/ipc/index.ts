import { Channel, invoke } from '@tauri-apps/api/core';
import type {
  ApiKey,
  AppEvent,
  CreateKey,
  EnvFilePlan,
  KeyList,
  RevealedKey,
  RevokedKey,
  ServiceStatus,
} from './bindings';
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

/** Makes a key; another window shows it. */
export const createKey = (request: CreateKey) => call<ApiKey>('create_key', { ...request });

/** Brings the window with the new key to the front. */
export const showNewKey = () => call<null>('show_new_key');

/** In the one-time window: the new key, once, sealed for the holder of this public key. */
export const revealKey = (publicKey: number[]) => call<RevealedKey>('reveal_key', { publicKey });

/** Shows the one-time window with room for so many CSS pixels; also the answer when it is asked to close. */
export const showOneTime = (height: number) => call<null>('show_one_time', { height });

/** Closes the one-time window; the key in it is gone, and `unseen` when the page could not show it. */
export const closeOneTime = (unseen: boolean) => call<null>('close_one_time', { unseen });

/** Has the app put the key away if the one-time window was minimised. */
export const outOfSight = () => call<null>('out_of_sight');

/** Puts the key in the one-time window on the clipboard. */
export const copyKey = () => call<null>('copy_key');

/** Saves it in this computer's keychain under its name, over another key only with `replace`. */
export const saveInKeychain = (replace: boolean) => call<null>('save_in_keychain', { replace });

/** Lets the person choose a file for it; `null` if they think better of it. Nothing is written yet. */
export const chooseEnvFile = (title: string) => call<EnvFilePlan | null>('choose_env_file', { title });

/** Writes it into the file that was chosen. */
export const writeEnvFile = () => call<null>('write_env_file');

/** Takes the copied key off the clipboard, if it is still there. */
export const clearClipboard = () => call<null>('clear_clipboard');

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
