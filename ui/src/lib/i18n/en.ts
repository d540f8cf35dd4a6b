import type { DatabaseProblem, ErrorCode, Scope } from '../ipc';
import type { NameProblem } from '../keys/name';
import { isolated } from './isolated';

function list(parts: string[]): string {
  return new Intl.ListFormat('en', { type: 'conjunction' }).format(parts);
}

const abilities: Record<Scope, string> = {
  training: 'start training runs and stream their metrics',
  models: 'upload, download and delete models',
  datasets: 'open and modify datasets',
  read: 'read all resources',
  write: 'read and change all resources',
  admin: 'manage the account',
};

const scopes: Record<Scope, string> = {
  training: 'Start training, stream metrics',
  models: 'Upload, download, delete models',
  datasets: 'Access and modify datasets',
  read: 'Read-only access to all resources',
  write: 'Full write access, reading included',
  admin: 'Account management; use with care',
};

const nameProblems: Record<NameProblem, string> = {
  empty: 'Enter a name.',
  tooLong: 'Use at most 64 characters.',
  control: 'Remove line breaks and invisible control characters.',
  containsKey: 'This is an API key. Enter a name for the key instead; names are stored readable.',
};

const failures: Record<ErrorCode, string> = {
  UNAUTHORIZED: 'The key service did not accept this app. Restart the app and try again.',
  FORBIDDEN: 'The key service did not allow this.',
  RATE_LIMITED: 'The key service is busy. Wait a moment and try again.',
  VALIDATION_ERROR: 'The key service did not accept this entry.',
  NOT_FOUND: 'This key no longer exists.',
  METHOD_NOT_ALLOWED: 'The key service did not understand the request.',
  INTERNAL_ERROR: 'Something went wrong in the app.',
  DATABASE_BUSY: 'The key database is in use by another program. Nothing was changed; try again.',
  PORT_IN_USE: 'Another program uses this port. Choose another one.',
  SERVICE_UNAVAILABLE: 'The key service cannot be reached.',
  CLIPBOARD_UNAVAILABLE: 'The clipboard cannot be used. Save the key another way, or type it from here.',
  KEY_ON_SCREEN: 'Another new key is still being shown. Close its window first.',
  KEYCHAIN_MISSING:
    'This computer has no keychain that the app can reach. Start one (GNOME Keyring, KWallet or KeePassXC), or copy the key.',
  KEYCHAIN_LOCKED: 'The keychain is locked and was not unlocked in time. Unlock it and try again.',
  KEYCHAIN_REFUSED: 'The keychain’s question was closed without an answer. Nothing was saved.',
  KEYCHAIN_TAKEN: 'The keychain holds another key under this name.',
  KEYCHAIN_FAILED: 'The keychain could not save the key.',
  ENV_FILE_FAILED: 'The file was not changed.',
  SECRET_GONE: 'The app no longer holds this key. Revoke it and create a new one.',
  SETTINGS_NOT_SAVED: 'The setting could not be saved.',
};

const databaseProblems: Record<DatabaseProblem, { title: string; remedy: string }> = {
  locked: {
    title: 'The key database is in use by another program',
    remedy: 'Close the other program, or the other window of this app, and try again.',
  },
  readOnly: {
    title: 'The key database cannot be written',
    remedy: 'Allow your user account to write this file and its folder, then try again.',
  },
  corrupt: {
    title: 'The key database is damaged',
    remedy: 'Restore the file from a backup, or move it elsewhere to begin with an empty list.',
  },
  newer: {
    title: 'The key database belongs to a newer version of this app',
    remedy: 'Install the newest version of the app and open it again.',
  },
  foreign: {
    title: 'This file belongs to another program',
    remedy: 'Move the file elsewhere so that the app can make its own, then try again.',
  },
  unavailable: {
    title: 'The key database cannot be opened',
    remedy: 'Check that the disk is connected, has room, and lets your user account in. Then try again.',
  },
};

export const en = {
  product: 'UL Keys',
  settings: 'Settings',
  sections: 'Settings sections',
  notifications: 'Notifications',
  justNow: 'just now',
  never: 'Never',
  cancel: 'Cancel',
  dismiss: 'Dismiss',
  copy: 'Copy',
  copied: 'Copied',
  tryAgain: 'Try again',
  nothingChanged: 'Nothing was changed.',
  scopes,
  failures,
  envFileFailed: (detail: string) => `The file was not changed: ${detail}`,
  refused: (detail: string) => `The key service did not accept this: ${detail}`,

  keys: {
    title: 'API Keys',
    intro: 'Each key lets one program in, and only as far as its scopes allow.',
    create: 'Create Key',
    shortcut: (keys: string) => `Shortcut: ${keys}`,
    unavailable: 'Keys can be created again as soon as the key service runs.',
    loading: 'Loading the keys',
    name: 'Name',
    scopes: 'Scopes',
    created: 'Created',
    lastUsed: 'Last used',
    actions: 'Actions',
    actionsFor: (name: string) => `Actions for ${isolated(name)}`,
    copyId: 'Copy key ID',
    idCopied: (name: string) => `The ID of ${isolated(name)} was copied`,
    revoke: 'Revoke…',
    emptyTitle: 'No keys yet',
    emptyText:
      'A program proves with an API key that it may use your models, datasets and training. Give every program a key of its own: you then see when it was last used, and can revoke one without stopping the others.',
    listFailed: 'The keys cannot be shown',
    outdated: 'This list may be out of date.',
  },

  createKey: {
    title: 'Create Key',
    intro: 'One key for one program.',
    name: 'Name',
    nameHint: 'Where the key will be used.',
    suggestions: 'Suggestions',
    nameInUse: 'Another key has this name. That is allowed, but the two are harder to tell apart.',
    nameProblems,
    scopes: 'Scopes',
    scopesHint: 'Choose only what the program needs.',
    noScope: 'Choose at least one scope.',
    adminCaution: 'With admin, a program can manage the account and its keys. Few programs need that.',
    abilitiesNone: 'Choose scopes to see what the key will be able to do.',
    abilities: (chosen: Scope[]) => `This key will be able to ${list(chosen.map((scope) => abilities[scope]))}.`,
    create: 'Create',
    creating: 'The key is being created',
    failed: 'The key was not created.',
    uncertain:
      'It is not known whether the key was created. If it appears in the list, revoke it: its full key cannot be shown.',
  },

  oneTime: {
    title: 'Copy your key',
    intro: (name: string) => `The key for ${isolated(name)} is ready.`,
    onlyOnce: 'This is the only time the full key is shown. Keep it in a safe place: it cannot be shown again.',
    key: 'API key',
    copied: 'The key was copied',
    address: 'Programs find this service at',
    places: 'Or put it straight where it belongs',
    keychain: 'Save in this computer’s keychain',
    keychainSaved: (name: string) => `Saved in this computer’s keychain as ${isolated(name)}. Start a program with it:`,
    keychainTaken: (name: string) =>
      `The keychain already holds another key under the name ${isolated(name)}. Replace it with this one?`,
    replace: 'Replace',
    envFile: 'Save as .env…',
    envFileTitle: 'Put the key into this file (its other lines stay)',
    envSaved: 'Saved, readable by you alone, in',
    envReplaces: (names: string[]) =>
      `The file already sets ${list(names)}. Replace ${names.length === 1 ? 'that line' : 'those lines'}? All others stay as they are.`,
    saveAnyway: 'Save anyway',
    gitRisk: {
      notIgnored:
        'Git does not ignore this file: it could be committed, and the key published with it. Add it to .gitignore first.',
      unknown:
        'This folder belongs to a git repository that could not be read. Make sure that the file is not committed.',
    },
    elsewhere: 'Your new key is in its own window',
    elsewhereText: (name: string) => `Copy or save the key for ${isolated(name)} there. It is shown only this once.`,
    showWindow: 'Show the window',
    gone: 'This key can no longer be shown',
    lost: {
      hidden: (name: string) => `The key for ${isolated(name)} was put away when its window was minimised.`,
      locked: (name: string) => `The key for ${isolated(name)} was put away when the screen was locked.`,
      interrupted: (name: string) => `The window with the key for ${isolated(name)} closed unexpectedly.`,
    },
    lostRemedy: 'It had not been copied or saved, and cannot be shown again: revoke it and create another.',
    done: 'Done',
    notCopied: 'The key has not been copied or saved yet.',
    replaced: 'The key is no longer on the clipboard. If it is not in its place yet, copy it again.',
    consequence: 'It cannot be shown again: you would have to revoke it and create another.',
    keepOpen: 'Keep open',
    closeAnyway: 'Close anyway',
  },

  clipboard: {
    about: 'Clipboard',
    stays: (seconds: number) => `A copied key leaves the clipboard after ${seconds} seconds.`,
    clearsIn: (seconds: number) => `On the clipboard for another ${seconds} ${seconds === 1 ? 'second' : 'seconds'}`,
    clearNow: 'Clear now',
    cleared: 'The key is no longer on the clipboard',
  },

  revoke: {
    title: (name: string) => `Revoke ${isolated(name)}?`,
    effect: 'Programs that use this key stop working at once. This cannot be undone.',
    prefix: 'Begins with',
    confirm: 'Revoke key',
    leftInKeychain: (name: string) =>
      `The revoked key ${isolated(name)} is still in this computer’s keychain, which is locked or cannot be reached. It will be removed when the app starts again.`,
    revoked: (name: string) => `${isolated(name)} was revoked`,
    elsewhere: (name: string) => `${isolated(name)} had already been revoked elsewhere`,
    failed: 'The key was not revoked and still works.',
    uncertain: 'It is not known whether the key was revoked. Try again to be sure.',
  },

  service: {
    name: 'Key service',
    state: {
      starting: 'Starting…',
      running: 'Running',
      portInUse: 'Port in use',
      databaseProblem: 'Database problem',
      stopped: 'Stopped',
    },
    purpose: 'Set this line where your programs run, and they use this service instead of the public one.',
    copyLine: 'Copy the address line',
    lineCopied: 'The address line was copied',
    notRunning: 'The address appears here as soon as the service runs.',
    changePort: 'Change port…',
    port: 'Port',
    portHint: 'A number from 1024 to 65535.',
    portInvalid: 'Enter a whole number from 1024 to 65535.',
    portCaution: 'Programs that were given the old address must be given the new one.',
    savePort: 'Change port',
    portChanged: (address: string) => `The key service is now at ${address}`,
    portTaken: (port: number) => `Port ${port} is used by another program. Choose another one.`,
  },

  problem: {
    portUsedBy: (port: number, name: string, pid: number) =>
      `Port ${port} is used by “${isolated(name)}” (process ${pid})`,
    portUsed: (port: number) => `Port ${port} is used by another program`,
    portRemedy: 'Close that program and try again, or let the key service use another port.',
    portExposure:
      'Programs that use this address may have sent their keys to that program. If you do not know it, revoke the keys that were used meanwhile.',
    portNote: (port: number) =>
      `With port ${port}, programs that were given the old address must be given the new one.`,
    usePort: (port: number) => `Use port ${port}`,
    database: databaseProblems,
    file: 'File',
    detail: (text: string) => `Technical detail: ${text}`,
    stopped: 'The key service has stopped',
    stoppedRemedy: 'Programs cannot use their keys until it runs again. The keys themselves are safe.',
  },
};

export type Messages = typeof en;
