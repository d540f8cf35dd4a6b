export const connection = {
  intro: 'Where your keys live, and how programs reach them.',
  here: 'This computer',
  hereText: 'The key service is part of this app: it runs as long as the app is open.',
  address: 'Address',
  programs: 'Point programs here',
  shell: 'bash and zsh',
  powerShell: 'PowerShell',
  copyPowerShell: 'Copy the address line for PowerShell',
  loopback: 'Only programs on this computer reach this address. From anywhere else, it cannot be reached.',
  places: 'Files',
  placesText:
    'The database holds the names, scopes and times of your keys, and of each key a fingerprint, never the key.',
  files: { database: 'Key database', settings: 'Settings', logs: 'Logs' },
  copyPath: 'Copy the path: {{file}}',
  pathCopied: 'The path was copied',
} as const;
