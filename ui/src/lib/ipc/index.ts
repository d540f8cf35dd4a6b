import { Channel, invoke } from '@tauri-apps/api/core';
import type {
  About,
  ActivityPage,
  ApiKey,
  AppEvent,
  CancelledRun,
  CommandArguments,
  DeletedRun,
  TrainingStorage,
  CreateKey,
  CheckReport,
  EnvFilePlan,
  ExportedActivity,
  ExportFormat,
  ActivityKind,
  KeyCounts,
  KeyList,
  KeyStatus,
  KeyUsage,
  FileLocations,
  Preferences,
  RevealedKey,
  RevokedKey,
  ServiceStatus,
  SortBy,
  TrainingRunDetails,
  TrainingRunList,
} from './bindings';
import { toFailure } from './failure';

export {
  CLIPBOARD_SECONDS_RANGE,
  DEFAULT_LIMITS,
  DEFAULT_STORAGE_LIMITS,
  LIMIT_RANGE,
  PORT_RANGE,
  ROTATION_DAYS_RANGE,
  STORAGE_LIMIT_RANGE,
} from './bindings';
export type * from './bindings';
export { Failure, toFailure } from './failure';

/** A command with exactly its arguments, so that a wrong or missing one does not compile. */
type Call = {
  [Command in keyof CommandArguments]: [CommandArguments[Command]] extends [never]
    ? [command: Command]
    : [command: Command, args: Record<CommandArguments[Command], unknown>];
}[keyof CommandArguments];

async function call<T>(...[command, args]: Call): Promise<T> {
  try {
    return await invoke<T>(command, args);
  } catch (reason) {
    throw toFailure(reason);
  }
}

/** A column, and `-` before it for the reverse. */
export type KeySort = SortBy | `-${SortBy}`;

/** Which page of which keys; what is not given is as in `GET /api/api-keys`. */
export interface KeyQuery {
  status?: KeyStatus;
  text?: string;
  /** Exactly this name. */
  name?: string;
  sort?: KeySort;
  /** How many keys come before the page. */
  skip?: number;
  /** At most so many, up to 500. */
  limit?: number;
}

/** The app's version, and the licenses of the packages in it. */
export const getAbout = () => call<About>('get_about');

export const listKeys = (query: KeyQuery) => call<KeyList>('list_keys', { query });

/** Shows the list's window, which is hidden until its page can be seen. */
export const showListWindow = () => call<null>('show_list_window');

export const countKeys = () => call<KeyCounts>('count_keys');

export const getKey = (keyId: string) => call<ApiKey>('get_key', { keyId });

/** A key's requests of the last hours, at most 2,160, and the programs behind them. */
export const getKeyUsage = (keyId: string, hours: number) => call<KeyUsage>('get_key_usage', { keyId, hours });

/** Why a request with this key is, or would be, refused. The key goes to the connected service and nowhere else. */
export const checkKey = (key: string, request: { method: string; path: string } | null) =>
  call<CheckReport>('check_key', { key, method: request?.method ?? null, path: request?.path ?? null });

/** Which page of activity; `cursor` is the `next` of the page before. */
export interface ActivityQuery {
  keyId?: string;
  kind?: ActivityKind;
  cursor?: string;
  /** At most so many, up to 200. */
  limit?: number;
}

export const listActivity = (query: ActivityQuery) => call<ActivityPage>('list_activity', { query });

/** Lets the person choose a file and writes activity into it; `null` if they think better of it. */
export const exportActivity = (
  format: ExportFormat,
  { keyId, kind }: Pick<ActivityQuery, 'keyId' | 'kind'>,
  { day, title }: { day: string; title: string },
) => call<ExportedActivity | null>('export_activity', { format, kind: kind ?? null, keyId: keyId ?? null, day, title });

/** How much training data is stored in all. */
export const getTrainingStorage = () => call<TrainingStorage>('get_training_storage');

/** The runs that a key fed, newest first; `cursor` is the `nextCursor` of the page before. */
export const listRuns = (keyId: string, cursor: string | null) => call<TrainingRunList>('list_runs', { keyId, cursor });

export const getRun = (runId: number) => call<TrainingRunDetails>('get_run', { runId });

/** Deletes a run that is not running. */
export const deleteRun = (runId: number) => call<DeletedRun>('delete_run', { runId });

/** Tells a run to stop at its next event. */
export const cancelRun = (runId: number) => call<CancelledRun>('cancel_run', { runId });

/** Makes a key; another window shows it. */
export const createKey = ({ name, scopes, replaces }: CreateKey) =>
  call<ApiKey>('create_key', { name, scopes, replaces: replaces ?? null });

/** Brings the window with the new key to the front. */
export const focusOneTimeWindow = () => call<null>('focus_one_time_window');

/** In the one-time window: the new key, once, sealed for the holder of this public key. */
export const revealKey = (publicKey: number[]) => call<RevealedKey>('reveal_key', { publicKey });

/** Shows the one-time window with room for so many CSS pixels; also the answer when it is asked to close. */
export const oneTimeReady = (height: number) => call<null>('one_time_ready', { height });

/** Closes the one-time window; the key in it is gone, and `unseen` when the page could not show it. */
export const closeOneTimeWindow = (unseen: boolean) => call<null>('close_one_time_window', { unseen });

/**
 * Tells the app that the one-time window is out of sight: if it was minimized, it closes, or comes back with
 * `windowHidden`.
 */
export const oneTimeHidden = () => call<null>('one_time_hidden');

/** Puts the key in the one-time window on the clipboard. */
export const copyKey = () => call<null>('copy_key');

/** Puts an example of use on the clipboard, with the key in the place of the one `{key}` in it. */
export const copySnippet = (template: string) => call<null>('copy_snippet', { template });

/** Saves it in this computer's keychain under its name, over another key only with `replace`. */
export const saveInKeychain = (replace: boolean) => call<null>('save_in_keychain', { replace });

/** Lets the person choose a file for it; `null` if they think better of it. Nothing is written yet. */
export const chooseEnvFile = (title: string) => call<EnvFilePlan | null>('choose_env_file', { title });

/** Writes it into the file that was chosen. */
export const writeEnvFile = () => call<null>('write_env_file');

/** Takes the copied key off the clipboard, if it is still there. */
export const clearClipboard = () => call<boolean>('clear_clipboard');

export const renameKey = (keyId: string, name: string) => call<ApiKey>('rename_key', { keyId, name });

/** Revokes the key that was lost, and creates another with its name and scopes. */
export const replaceLostKey = () => call<ApiKey>('replace_lost_key');

/** The name under which this app saved a key in the keychain; `null` if it did not. */
export const getKeychainName = (keyId: string) => call<string | null>('get_keychain_name', { keyId });

export const revokeKey = (keyId: string) => call<RevokedKey>('revoke_key', { keyId });

/** Copies a text that is no secret. */
export const copyText = (text: string) => call<null>('copy_text', { text });

export const copyKeyId = (keyId: string) => call<null>('copy_key_id', { keyId });

/** Keeps all preferences; the windows hear of them as of any event. */
export const changePreferences = (preferences: Preferences) => call<null>('change_preferences', { preferences });

/** Whether the service starts when the person logs in; `null` if this system cannot do that. */
export const getStartAtLogin = () => call<boolean | null>('get_start_at_login');
export const setStartAtLogin = (enabled: boolean) => call<null>('set_start_at_login', { enabled });
/** The page shows the question before the app ends (`shown`), or the person has answered it. */
export const answerQuitQuestion = (answer: 'shown' | 'keepOpen' | 'keepRunning' | 'quit', remember: boolean) =>
  call<null>('answer_quit_question', { answer, remember });

/** Where the app keeps its files. */
export const getFileLocations = () => call<FileLocations>('get_file_locations');

export const retryService = () => call<ServiceStatus>('retry_service');

export const changePort = (port: number) => call<ServiceStatus>('change_port', { port });

/** Copies the line that tells programs where the service is. */
export const copyServiceUrl = () => call<null>('copy_service_url');

/** From now on `handle` learns of every change, beginning with the present state of the service. */
export function subscribe(handle: (event: AppEvent) => void): Promise<null> {
  return call<null>('subscribe', { channel: new Channel<AppEvent>(handle) });
}
