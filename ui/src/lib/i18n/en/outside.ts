export const outside = {
  stopped: {
    missing: {
      title: 'The key database was moved or deleted',
      remedy:
        'Existing keys keep working, but you can’t create, rename or revoke keys. Move the file back. If you choose “Try again” instead, the list starts empty and existing keys stop working.',
      remedyAttached:
        'Existing keys keep working, but you can’t create, rename or revoke keys. Move the file back. If you restart “ul-keys serve” instead, the list starts empty and existing keys stop working.',
    },
    replaced: {
      title: 'The key database was replaced with another file',
      remedy:
        'Existing keys keep working, but you can’t create, rename or revoke keys. Try again to use the file that is there now.',
      remedyAttached:
        'Existing keys keep working, but you can’t create, rename or revoke keys. Restart “ul-keys serve” to use the file that is there now.',
    },
    overwritten: {
      title: 'Another app overwrote the key database',
      remedy:
        'Existing keys keep working, but you can’t create, rename or revoke keys. Try again to use the file as it is now.',
      remedyAttached:
        'Existing keys keep working, but you can’t create, rename or revoke keys. Restart “ul-keys serve” to use the file as it is now.',
    },
    shared: {
      title: 'Another copy of UL Keys is using this key database',
      remedy: 'The database’s lock file was deleted. Close the other copy to create, rename or revoke keys here.',
      remedyAttached:
        'The database’s lock file was deleted. Close the other copy, then restart “ul-keys serve” to create, rename or revoke keys here.',
    },
  },
  file: 'File',
  saved: 'Your previous database was saved as',
  full: {
    title: 'The disk with the key database is full',
    text: 'Existing keys keep working and can be revoked, but you can’t create or rename keys. Free up some space on the disk with this folder. UL Keys then continues on its own and saves the usage it holds in memory.',
    folder: 'Folder',
  },
  record: {
    title: 'Revocations aren’t protected against old backups right now',
    text: 'Couldn’t use the list of revoked keys outside the database. Until this is fixed, restoring an old copy of the database could make revoked keys work again.',
  },
  detail: 'Technical detail: {{text}}',
  changed: 'Another app changed your key database',
  activity: 'View activity',
  renamedFrom: 'Renamed {{before, isolated}} to {{after, isolated}} by another app',
  scopesFrom: 'Scopes changed from {{before}} to {{after}} by another app',
  event: {
    whileClosed: 'Keys changed while UL Keys was closed. Check the list for keys you don’t recognize.',
    recordLost: 'The list of revoked keys was missing. UL Keys rebuilt it from the database.',
    recordReplaced: 'The list of revoked keys was swapped for another one. UL Keys added the missing entries.',
    recordDamaged: 'The list of revoked keys was shortened or edited. UL Keys rebuilt it.',
  },
  change: {
    added_one: '{{keys}} key added by another app',
    added_other: '{{keys}} keys added by another app',
    removed_one: '{{keys}} key removed by another app',
    removed_other: '{{keys}} keys removed by another app',
    renamed_one: '{{keys}} key renamed by another app',
    renamed_other: '{{keys}} keys renamed by another app',
    scopesChanged_one: 'Scopes of {{keys}} key changed by another app',
    scopesChanged_other: 'Scopes of {{keys}} keys changed by another app',
    secretChanged_one: '{{keys}} key swapped for a different one by another app',
    secretChanged_other: '{{keys}} keys swapped for different ones by another app',
    revoked_one: '{{keys}} key revoked by another app',
    revoked_other: '{{keys}} keys revoked by another app',
    keptRevoked_one: '{{keys}} revoked key was reactivated by another app. UL Keys revoked it again.',
    keptRevoked_other: '{{keys}} revoked keys were reactivated by another app. UL Keys revoked them again.',
  },
} as const;
