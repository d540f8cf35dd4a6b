export const problem = {
  portUsedBy: 'Port {{port}} wird von „{{name, isolated}}“ verwendet (Prozess {{pid}})',
  portUsed: 'Port {{port}} wird von einem anderen Programm verwendet',
  portRemedy: 'Das Programm schließen und erneut versuchen, oder den Dienst einen anderen Port verwenden lassen.',
  portExposure:
    'Programme, die diese Adresse verwenden, haben ihre Schlüssel möglicherweise dorthin gesendet. Wer das andere Programm nicht kennt, sollte die in der Zwischenzeit verwendeten Schlüssel widerrufen.',
  portNote: 'Mit Port {{port}} müssen Programme mit der alten Adresse auf die neue umgestellt werden.',
  usePort: 'Port {{port}} verwenden',
  database: {
    locked: {
      title: 'Ein anderes Programm verwendet die Schlüsseldatenbank',
      remedy: 'Das andere Programm oder das andere Fenster dieser App schließen und erneut versuchen.',
    },
    readOnly: {
      title: 'Die Schlüsseldatenbank ist schreibgeschützt',
      remedy: 'Dem eigenen Benutzerkonto erlauben, in die Datei und ihren Ordner zu schreiben, dann erneut versuchen.',
    },
    corrupt: {
      title: 'Die Schlüsseldatenbank ist beschädigt',
      remedy:
        'keys.db und, falls vorhanden, keys.db-wal verschieben. Dann eine Sicherung an ihre Stelle legen oder erneut versuchen, um mit einer leeren Liste zu beginnen.',
    },
    newer: {
      title: 'Die Schlüsseldatenbank gehört zu einer neueren Version dieser App',
      remedy: 'Die neueste Version der App installieren und erneut öffnen.',
    },
    foreign: {
      title: 'Diese Datei gehört einem anderen Programm',
      remedy:
        'keys.db und, falls vorhanden, keys.db-wal verschieben, damit die App ihre eigene Datei anlegen kann. Dann erneut versuchen.',
    },
    replaced: {
      title: 'Die Schlüsseldatenbank wurde verschoben, ersetzt oder überschrieben',
      remedy:
        'Legen Sie die Datei zurück, oder versuchen Sie es erneut, um die aktuelle Datei zu verwenden. Gibt es keine, ist die Liste danach leer, und bestehende Schlüssel funktionieren nicht mehr.',
    },
    lockingUnsupported: {
      title: 'Das Laufwerk der Schlüsseldatenbank unterstützt keine Dateisperren',
      remedy:
        'Ohne Dateisperren könnten zwei Schlüsseldienste ihre Änderungen gegenseitig überschreiben. Netzlaufwerke bieten häufig keine. Verschieben Sie den Ordner dieser Datei auf ein lokales Laufwerk, oder geben Sie dort mit UL_KEYS_DATA_DIR einen Ordner an, und starten Sie die App neu.',
    },
    full: {
      title: 'Der Datenträger mit der Schlüsseldatenbank ist voll',
      remedy: 'Geben Sie auf dem Datenträger mit dieser Datei Speicherplatz frei, und versuchen Sie es erneut.',
    },
    unavailable: {
      title: 'Die Schlüsseldatenbank lässt sich nicht öffnen',
      remedy: 'Prüfen, ob der Datenträger verbunden ist und den Zugriff erlaubt. Dann erneut versuchen.',
    },
  },
  file: 'Datei',
  detail: 'Technische Details: {{text}}',
  stopped: 'Der Schlüsseldienst läuft nicht mehr',
  stoppedRemedy:
    'Bis er wieder läuft, können Programme ihre Schlüssel nicht verwenden. Die Schlüssel selbst sind sicher.',
} as const;
