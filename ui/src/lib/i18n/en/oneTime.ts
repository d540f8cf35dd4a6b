export const oneTime = {
  title: 'Copy your key',
  intro:
    'You won’t see the full key for {{name, isolated}} again. It’s gone once you close this window or lock your screen. Copy or save it now.',
  staysWhileHidden: 'Hiding the window keeps the key.',
  key: 'API key',
  keyCovered: 'API key, covered',
  keyNotRead: 'API key, not readable by other apps. Use Copy.',
  readAloud: 'A screen reader is on, so other apps can read this key too.',
  noClipboard: 'Save the key another way, or type it from here.',
  copied: 'The key was copied',
  copiedFor_one: 'The key was copied. It leaves the clipboard after {{count}} second.',
  copiedFor_other: 'The key was copied. It leaves the clipboard after {{count}} seconds.',
  address: 'Programs find this service at',
  places: 'Or put it straight where it belongs',
  keychain: 'Save in this computer’s keychain',
  keychainSaved: 'Saved in this computer’s keychain as {{name, isolated}}. Start a program with it:',
  keychainTaken: 'The keychain already holds another key under the name {{name, isolated}}. Replace it with this one?',
  replace: 'Replace',
  envFile: 'Save as .env…',
  envFileTitle: 'Put the key into this file (the rest stays the same)',
  envSaved: 'Saved, readable by you alone, in',
  envSavedShared: 'Saved, possibly readable by other users, in',
  envReplaces_one:
    'The file already sets {{names, list}}. Replace its value? Everything else in the file stays the same.',
  envReplaces_other:
    'The file already sets {{names, list}}. Replace their values? Everything else in the file stays the same.',
  access: {
    everyone:
      'Everyone on this computer can read this file now. After saving, only you can: other users, and programs that run as another user, lose access.',
    some: 'Others can read this file now. After saving, only you can. These lose access: {{names, list}}.',
    group: 'group {{name, isolated}}',
    user: 'user {{name, isolated}}',
    otherNames_one: 'The file also has {{count}} other name (a hard link). It keeps the old content.',
    otherNames_other: 'The file also has {{count}} other names (hard links). They keep the old content.',
  },
  shared: 'This drive doesn’t support file permissions, so other users of this computer may be able to read the key.',
  saveAnyway: 'Save anyway',
  gitRisk: {
    notIgnored:
      'Git does not ignore this file: it could be committed, and the key published with it. Add it to .gitignore first.',
    unknown:
      'This folder belongs to a git repository that could not be read. Make sure that the file is not committed.',
  },
  elsewhere: 'Your new key is in its own window',
  elsewhereText: 'Copy or save the key for {{name, isolated}} there. It is shown only this once.',
  showWindow: 'Show the window',
  gone: 'This key can no longer be shown',
  lost: {
    locked: 'The key for {{name, isolated}} is no longer shown: the screen was locked.',
    interrupted: 'The window with the key for {{name, isolated}} closed unexpectedly.',
  },
  lostRemedy: {
    neverCopied:
      'The key works, but it was never copied or saved. “Replace it” revokes it and creates a key with the same name and scopes.',
    copied:
      'The key works, but it was not saved, and it does not stay on the clipboard. If it is not in its place yet, “Replace it” revokes it and creates a key with the same name and scopes.',
  },
  replaceLost: 'Replace it',
  wasHidden: 'This window was hidden, so the key is covered.',
  close: 'Close',
  done: 'Done',
  notCopied: 'The key has not been copied or saved yet.',
  replaced: 'The key is no longer on the clipboard. If it is not in its place yet, copy it again.',
  consequence: 'It cannot be shown again: you would have to revoke it and create another.',
  keepOpen: 'Keep open',
  closeAnyway: 'Close anyway',
} as const;
