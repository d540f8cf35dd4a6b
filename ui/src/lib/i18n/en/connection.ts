export const connection = {
  intro: 'Where your keys live, and how programs reach them.',
  here: 'This computer',
  hereText: 'The key service is part of this app: it runs as long as the app is open.',
  hereAttached: 'The key service runs on its own (“ul-keys serve”). It keeps running when you close this app.',
  hereBackground:
    'The key service runs in the background. It keeps running when you close this window; File > Quit stops it.',
  closing: 'When you close the window',
  closingHint: 'Programs can use your keys only while the key service is running. File > Quit always stops it.',
  closings: { ask: 'Ask', keepRunning: 'Keep running in the background', quit: 'Quit' },
  address: 'Address',
  programs: 'Point programs here',
  shell: 'bash and zsh',
  powerShell: 'PowerShell',
  copyPowerShell: 'Copy the address line for PowerShell',
  loopback: 'Only programs on this computer reach this address. From anywhere else, it cannot be reached.',
  places: 'Files',
  placesText: 'The database holds names, scopes, times and a fingerprint of each key, never a key itself.',
  files: { database: 'Key database', settings: 'Settings', logs: 'Logs' },
  settingsProblem: {
    unreadable:
      'This file cannot be read, so every setting is as by default: {{reason}}. What you correct in it takes effect at the next start.',
    replaced: 'This file could not be read. Before a setting was changed, it was copied to {{copy}}',
    ignored: 'These settings in the file have no effect. Corrected values apply from the next start.',
  },
  ignoredReason: {
    unknown: 'there is no such setting',
    notInRange: 'must be a whole number from {{least}} to {{most}}',
    notInRangeOrNull: 'must be a whole number from {{least}} to {{most}}, or null',
    notAChoice: 'must be {{choices, list(type: disjunction)}}',
    notAGroup: 'must be an object: { … }',
  },
  notMoved: {
    olderVersionRuns:
      'An older version of UL Keys is running. Its files stay in {{from}} until you quit it and start this version again.',
    bothInUse:
      'There are files in {{from}} and in {{to}}. Only the second folder is used. To use the keys in the first one, quit UL Keys, move the second folder away and start again.',
    cannotMove: 'The files stay in {{from}} because they can’t be moved to {{to}}: {{reason}}',
  },
  copyPath: 'Copy the path: {{file}}',
  pathCopied: 'The path was copied',
} as const;
