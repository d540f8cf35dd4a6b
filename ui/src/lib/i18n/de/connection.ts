export const connection = {
  intro: 'Wo die Schlüssel aufbewahrt werden und wie Programme sie erreichen.',
  here: 'Dieser Computer',
  hereText: 'Der Schlüsseldienst ist Teil dieser App: Er läuft, solange die App geöffnet ist.',
  address: 'Adresse',
  programs: 'Programme hierher leiten',
  shell: 'bash und zsh',
  powerShell: 'PowerShell',
  copyPowerShell: 'Adresszeile für PowerShell kopieren',
  loopback: 'Nur Programme auf diesem Computer erreichen diese Adresse. Von anderswo ist sie nicht erreichbar.',
  places: 'Dateien',
  placesText:
    'Die Datenbank enthält Namen, Berechtigungen, Zeiten und von jedem Schlüssel einen Fingerabdruck, nie einen Schlüssel selbst.',
  files: { database: 'Schlüsseldatenbank', settings: 'Einstellungen', logs: 'Protokolle' },
  copyPath: 'Pfad kopieren: {{file}}',
  pathCopied: 'Der Pfad wurde kopiert',
} as const;
