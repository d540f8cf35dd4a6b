export const failures = {
  UNAUTHORIZED: 'The key service did not accept this app. Restart the app and try again.',
  FORBIDDEN: 'The key service did not allow this.',
  RATE_LIMITED: 'The key service is busy. Wait a moment and try again.',
  VALIDATION_ERROR: 'The key service did not accept this entry.',
  NOT_FOUND: 'This key no longer exists.',
  METHOD_NOT_ALLOWED: 'The key service did not understand the request.',
  INTERNAL_ERROR: 'Something went wrong in the app.',
  DATABASE_BUSY: 'The key database is in use by another program. Nothing was changed; try again.',
  DATABASE_REPLACED:
    'The key database file was moved or replaced. Nothing was changed; see the message above the list.',
  STORAGE_FULL: 'The disk with the key database is full. Nothing was changed. Free up some space, then try again.',
  TRAINING_DATA_FULL:
    'There is no space left for training data. Delete training runs or free up some space, then try again.',
  CONFLICT: 'The run is still running. Cancel it first.',
  PORT_IN_USE: 'Another program uses this port. Choose another one.',
  SERVICE_UNAVAILABLE: 'The key service cannot be reached.',
  CLIPBOARD_UNAVAILABLE: 'The clipboard cannot be used. Nothing was copied.',
  KEY_ON_SCREEN: 'Another new key is still being shown. Close its window first.',
  KEYCHAIN_MISSING:
    'This computer has no keychain that the app can reach. Start one (GNOME Keyring, KWallet or KeePassXC), or copy the key.',
  KEYCHAIN_LOCKED: 'The keychain is locked and was not unlocked in time. Unlock it and try again.',
  KEYCHAIN_REFUSED: 'The keychain’s prompt was dismissed. Nothing was saved.',
  KEYCHAIN_TAKEN: 'The keychain holds another key under this name.',
  KEYCHAIN_AMBIGUOUS:
    'The keychain holds several entries under this name, and UL Keys can’t tell which one to replace. Nothing was saved. Delete all but one of them in your keychain app (such as Passwords and Keys, or KeePassXC), then try again.',
  KEYCHAIN_SILENT: 'The keychain doesn’t answer. Restart it and try again, or copy the key.',
  KEYCHAIN_FAILED: 'The keychain could not save the key.',
  ENV_FILE_FAILED: 'The file was not changed.',
  EXPORT_FAILED: 'The file was not changed.',
  SECRET_GONE: 'The app no longer holds this key. Revoke it and create a new one.',
  SETTINGS_NOT_SAVED: 'The setting could not be saved.',

  file: {
    mounted:
      'The file is mounted on its own, for example as a container volume, so it can’t be replaced. Use the original file, or edit this one yourself.',
    protected: 'The file belongs to another user or is protected against changes. Use another file, or ask its owner.',
    notPermitted:
      'You don’t have permission to create files in its folder. Choose another folder, or change the folder’s permissions.',
    unreadable: 'You don’t have permission to read the file, so its other lines would be lost. Choose another file.',
    readOnly: 'The drive is read-only. Use a folder on another drive.',
    full: 'The disk is full, or your quota is used up. Free up some space, then try again.',
    noFolder: 'Its folder no longer exists. Choose another folder.',
    changed: 'Another app has just changed the file. Choose it again.',
    notAFile: 'This isn’t a regular file. Choose another name.',
    tooLarge: 'The file is larger than 128 KiB, too large for a .env file. Choose another file.',
    notUtf8: 'Its text isn’t UTF-8. Save it as UTF-8 in an editor first, or choose another file.',
    brokenLink:
      'It’s a link to a place that doesn’t exist. Create the missing folder or correct the link, or choose another file.',
    linkLoop: 'It’s a link that leads back to itself. Correct the link, or choose another file.',
    unclearLine:
      'Line {{line}} can’t be changed without risking other values in the file. Copy the key and edit the file yourself.',
    unclearUse:
      'Line {{line}} uses {{variable}} in a way that UL Keys doesn’t understand. Copy the key and edit the file yourself.',
    otherCode:
      'Line {{line}} may set {{variable}} from another file or command, so programs might not find the new value. Copy the key and edit the file yourself.',
  },

  fileNotChanged: 'The file was not changed: {{detail}}',
  refused: 'The key service did not accept this: {{detail}}',
} as const;
