export const connection = {
  intro: 'Wo die Schlüssel aufbewahrt werden und wie Programme sie erreichen.',
  here: 'Dieser Computer',
  hereText: 'Der Schlüsseldienst ist Teil dieser App: Er läuft, solange die App geöffnet ist.',
  hereAttached:
    'Der Schlüsseldienst läuft eigenständig („ul-keys serve“). Er läuft weiter, wenn Sie diese App schließen.',
  hereAsks: 'Wenn Sie das Fenster schließen, fragt UL Keys, ob der Schlüsseldienst weiterläuft.',
  hereKeepsRunning:
    'Der Schlüsseldienst läuft weiter, wenn Sie dieses Fenster schließen. „Datei > Beenden“ beendet ihn.',
  closing: 'Beim Schließen des Fensters',
  closingHint:
    'Programme können Ihre Schlüssel nur verwenden, solange der Schlüsseldienst läuft. „Datei > Beenden“ beendet ihn immer.',
  closings: { ask: 'Fragen', keepRunning: 'Im Hintergrund weiterlaufen', quit: 'Beenden' },
  atLogin: 'Bei der Anmeldung',
  atLoginHint:
    'Ihre Schlüssel funktionieren dann, sobald Sie sich an diesem Computer anmelden, noch bevor Sie ein Fenster öffnen.',
  atLoginLabel: 'Schlüsseldienst bei der Anmeldung starten',
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
  settingsProblem: {
    unreadable:
      'Diese Datei lässt sich nicht lesen, deshalb gelten überall die Vorgaben: {{reason}}. Was darin berichtigt wird, wirkt ab dem nächsten Start.',
    replaced:
      'Diese Datei ließ sich nicht lesen. Bevor eine Einstellung geändert wurde, wurde sie kopiert nach {{copy}}',
    ignored: 'Diese Einstellungen in der Datei sind unwirksam. Korrigierte Werte gelten ab dem nächsten Start.',
  },
  ignoredReason: {
    unknown: 'diese Einstellung gibt es nicht',
    notInRange: 'muss eine ganze Zahl von {{least}} bis {{most}} sein',
    notInRangeOrNull: 'muss eine ganze Zahl von {{least}} bis {{most}} oder null sein',
    notAChoice: 'muss {{choices, list(type: disjunction)}} sein',
    notAGroup: 'muss ein Objekt sein: { … }',
  },
  notMoved: {
    olderVersionRuns:
      'Eine ältere Version von UL Keys läuft. Ihre Dateien bleiben in {{from}}, bis Sie sie beenden und diese Version neu starten.',
    bothInUse:
      'In {{from}} und in {{to}} liegen Dateien. Nur der zweite Ordner wird verwendet. Um die Schlüssel im ersten zu verwenden, beenden Sie UL Keys, verschieben Sie den zweiten Ordner und starten Sie neu.',
    cannotMove: 'Die Dateien bleiben in {{from}}, weil sie sich nicht nach {{to}} verschieben lassen: {{reason}}',
  },
  copyPath: 'Pfad kopieren: {{file}}',
  pathCopied: 'Der Pfad wurde kopiert',
} as const;
