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
  KEYCHAIN_FAILED: 'Der Schlüsselbund konnte den Schlüssel nicht speichern.',
  ENV_FILE_FAILED: 'Die Datei wurde nicht geändert.',
  EXPORT_FAILED: 'Die Datei wurde nicht geändert.',
  SECRET_GONE: 'Die App hat diesen Schlüssel nicht mehr. Bitte widerrufen und einen neuen erstellen.',
  SETTINGS_NOT_SAVED: 'Die Einstellung konnte nicht gespeichert werden.',

  fileNotChanged: 'Die Datei wurde nicht geändert: {{detail}}',
  refused: 'Der Schlüsseldienst hat das nicht angenommen: {{detail}}',
} as const;
