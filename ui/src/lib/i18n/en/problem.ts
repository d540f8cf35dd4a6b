export const problem = {
  portUsedBy: 'Port {{port}} is used by “{{name, isolated}}” (process {{pid}})',
  portUsed: 'Port {{port}} is used by another program',
  portRemedy: 'Close that program and try again, or let the key service use another port.',
  portExposure:
    'Programs that use this address may have sent their keys to that program. If you do not know it, revoke the keys that were used meanwhile.',
  portNote: 'With port {{port}}, programs that were given the old address must be given the new one.',
  usePort: 'Use port {{port}}',
  database: {
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
      remedy:
        'Move keys.db and, if present, keys.db-wal elsewhere. Then put a backup in their place, or try again to begin with an empty list.',
    },
    newer: {
      title: 'The key database belongs to a newer version of this app',
      remedy: 'Install the newest version of the app and open it again.',
    },
    foreign: {
      title: 'This file belongs to another program',
      remedy: 'Move keys.db and, if present, keys.db-wal elsewhere so that the app can make its own. Then try again.',
    },
    replaced: {
      title: 'The key database was moved, replaced or overwritten',
      remedy:
        'Move the file back, or try again to use the file that is there now. If there is none, the list starts empty and existing keys stop working.',
    },
    lockingUnsupported: {
      title: 'The disk with the key database doesn’t support file locks',
      remedy:
        'Without file locks, two key services could overwrite each other’s changes. Network drives often have none. Move the folder of this file to a local disk, or set UL_KEYS_DATA_DIR to a folder on one, then restart the app.',
    },
    full: {
      title: 'The disk with the key database is full',
      remedy: 'Free up some space on the disk with this file, then try again.',
    },
    unavailable: {
      title: 'The key database cannot be opened',
      remedy: 'Check that the disk is connected and lets your user account in. Then try again.',
    },
  },
  file: 'File',
  detail: 'Technical detail: {{text}}',
  stopped: 'The key service has stopped',
  stoppedRemedy: 'Programs cannot use their keys until it runs again. The keys themselves are safe.',
} as const;
