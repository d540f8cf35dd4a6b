export const failures = {
  UNAUTHORIZED: 'Der Schlüsseldienst hat diese App nicht akzeptiert. Die App neu starten und erneut versuchen.',
  FORBIDDEN: 'Der Schlüsseldienst hat das nicht erlaubt.',
  RATE_LIMITED: 'Der Schlüsseldienst ist ausgelastet. Bitte gleich noch einmal versuchen.',
  VALIDATION_ERROR: 'Der Schlüsseldienst hat diese Eingabe nicht angenommen.',
  NOT_FOUND: 'Diesen Schlüssel gibt es nicht mehr.',
  METHOD_NOT_ALLOWED: 'Der Schlüsseldienst hat die Anfrage nicht verstanden.',
  INTERNAL_ERROR: 'In der App ist ein Fehler aufgetreten.',
  DATABASE_BUSY:
    'Ein anderes Programm verwendet die Schlüsseldatenbank. Es wurde nichts verändert; bitte erneut versuchen.',
  DATABASE_REPLACED:
    'Die Datei der Schlüsseldatenbank wurde verschoben oder ersetzt. Es wurde nichts geändert; siehe die Meldung über der Liste.',
  STORAGE_FULL:
    'Der Datenträger mit der Schlüsseldatenbank ist voll. Es wurde nichts geändert. Geben Sie Speicherplatz frei, und versuchen Sie es erneut.',
  TRAINING_DATA_FULL:
    'Für Trainingsdaten ist kein Platz mehr. Löschen Sie Trainings, oder geben Sie Speicherplatz frei, und versuchen Sie es erneut.',
  CONFLICT: 'Das Training läuft noch. Brechen Sie es zuerst ab.',
  PORT_IN_USE: 'Ein anderes Programm verwendet diesen Port. Bitte einen anderen wählen.',
  SERVICE_UNAVAILABLE: 'Der Schlüsseldienst ist nicht erreichbar.',
  CLIPBOARD_UNAVAILABLE: 'Die Zwischenablage ist nicht verfügbar. Nichts wurde kopiert.',
  KEY_ON_SCREEN: 'Ein anderer neuer Schlüssel wird noch angezeigt. Bitte zuerst dessen Fenster schließen.',
  KEYCHAIN_MISSING:
    'Auf diesem Computer ist kein Schlüsselbund erreichbar. Bitte einen starten (GNOME-Schlüsselbund, KWallet oder KeePassXC) oder den Schlüssel kopieren.',
  KEYCHAIN_LOCKED:
    'Der Schlüsselbund ist gesperrt und wurde nicht rechtzeitig entsperrt. Bitte entsperren und erneut versuchen.',
  KEYCHAIN_REFUSED: 'Die Abfrage des Schlüsselbunds wurde abgebrochen. Nichts wurde gespeichert.',
  KEYCHAIN_TAKEN: 'Der Schlüsselbund enthält unter diesem Namen einen anderen Schlüssel.',
  KEYCHAIN_AMBIGUOUS:
    'Der Schlüsselbund enthält mehrere Einträge mit diesem Namen, und UL Keys kann nicht erkennen, welcher ersetzt werden soll. Es wurde nichts gespeichert. Löschen Sie alle bis auf einen in der App für Ihren Schlüsselbund (zum Beispiel „Passwörter und Schlüssel“ oder KeePassXC), und versuchen Sie es erneut.',
  KEYCHAIN_SILENT:
    'Der Schlüsselbund antwortet nicht. Starten Sie ihn neu, und versuchen Sie es erneut, oder kopieren Sie den Schlüssel.',
  KEYCHAIN_FAILED: 'Der Schlüsselbund konnte den Schlüssel nicht speichern.',
  ENV_FILE_FAILED: 'Die Datei wurde nicht geändert.',
  EXPORT_FAILED: 'Die Datei wurde nicht geändert.',
  SECRET_GONE: 'Die App hat diesen Schlüssel nicht mehr. Bitte widerrufen und einen neuen erstellen.',
  SETTINGS_NOT_SAVED: 'Die Einstellung konnte nicht gespeichert werden.',

  file: {
    mounted:
      'Die Datei ist einzeln eingehängt, zum Beispiel als Volume eines Containers, und lässt sich deshalb nicht ersetzen. Verwenden Sie die Originaldatei, oder bearbeiten Sie diese selbst.',
    protected:
      'Die Datei gehört einem anderen Benutzer oder ist gegen Änderungen geschützt. Verwenden Sie eine andere Datei, oder fragen Sie den Besitzer.',
    notPermitted:
      'In diesem Ordner dürfen Sie keine Dateien anlegen. Verwenden Sie einen anderen Ordner, oder erlauben Sie es dort.',
    unreadable:
      'Sie dürfen die Datei nicht lesen. Beim Speichern gingen ihre übrigen Zeilen verloren. Wählen Sie eine andere Datei.',
    readOnly: 'Das Laufwerk ist schreibgeschützt. Verwenden Sie einen Ordner auf einem anderen Laufwerk.',
    full: 'Der Speicherplatz oder Ihr Kontingent ist aufgebraucht. Geben Sie Speicherplatz frei, und versuchen Sie es erneut.',
    noFolder: 'Der Ordner der Datei existiert nicht mehr. Wählen Sie einen anderen Ordner.',
    changed: 'Ein anderes Programm hat die Datei gerade geändert. Wählen Sie sie noch einmal aus.',
    notAFile: 'Das ist keine gewöhnliche Datei. Wählen Sie einen anderen Namen.',
    tooLarge: 'Die Datei ist größer als 128 KiB und damit zu groß für eine .env-Datei. Wählen Sie eine andere Datei.',
    notUtf8:
      'Die Datei ist nicht in UTF-8 kodiert. Speichern Sie sie zuerst in einem Editor als UTF-8, oder wählen Sie eine andere Datei.',
    brokenLink:
      'Die Datei ist ein Link, dessen Ziel nicht existiert. Legen Sie den fehlenden Ordner an, korrigieren Sie den Link, oder wählen Sie eine andere Datei.',
    linkLoop:
      'Die Datei ist ein Link, der auf sich selbst verweist. Korrigieren Sie den Link, oder wählen Sie eine andere Datei.',
    unclearLine:
      'Zeile {{line}} lässt sich nicht ändern, ohne andere Werte der Datei zu gefährden. Kopieren Sie den Schlüssel, und bearbeiten Sie die Datei selbst.',
    unclearUse:
      'Zeile {{line}} verwendet {{variable}} auf eine Weise, die UL Keys nicht versteht. Kopieren Sie den Schlüssel, und bearbeiten Sie die Datei selbst.',
    otherCode:
      'Zeile {{line}} setzt {{variable}} möglicherweise aus einer anderen Datei oder mit einem Befehl, sodass Programme den neuen Wert eventuell nicht finden. Kopieren Sie den Schlüssel, und bearbeiten Sie die Datei selbst.',
  },

  fileNotChanged: 'Die Datei wurde nicht geändert: {{detail}}',
  refused: 'Der Schlüsseldienst hat das nicht angenommen: {{detail}}',
} as const;
