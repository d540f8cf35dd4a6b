export const oneTime = {
  title: 'Schlüssel kopieren',
  intro:
    'Der vollständige Schlüssel für {{name, isolated}} wird nur jetzt angezeigt. Beim Schließen des Fensters oder Sperren des Bildschirms verschwindet er. Kopieren oder speichern Sie ihn jetzt.',
  staysWhileHidden:
    'Das Ausblenden des Fensters entfernt den Schlüssel nicht. Er ist wieder sichtbar, sobald Sie das Fenster einblenden.',
  key: 'API-Schlüssel',
  keyCovered: 'API-Schlüssel, verdeckt',
  keyNotRead: 'API-Schlüssel, für andere Programme nicht lesbar. Verwenden Sie „Kopieren“.',
  readAloud: 'Ein Screenreader ist aktiv, daher können auch andere Programme diesen Schlüssel lesen.',
  noClipboard: 'Den Schlüssel anders speichern oder von hier abtippen.',
  copied: 'Der Schlüssel wurde kopiert',
  copiedFor_one: 'Der Schlüssel wurde kopiert. Er verlässt die Zwischenablage nach {{count}} Sekunde.',
  copiedFor_other: 'Der Schlüssel wurde kopiert. Er verlässt die Zwischenablage nach {{count}} Sekunden.',
  address: 'Programme finden diesen Dienst unter',
  places: 'Oder gleich dorthin, wo er gebraucht wird',
  keychain: 'Im Schlüsselbund speichern',
  keychainSaved: 'Im Schlüsselbund als {{name, isolated}} gespeichert. So startet ein Programm damit:',
  keychainTaken:
    'Der Schlüsselbund enthält unter dem Namen {{name, isolated}} bereits einen anderen Schlüssel. Durch diesen ersetzen?',
  replace: 'Ersetzen',
  envFile: 'Als .env speichern…',
  envFileTitle: 'Den Schlüssel in diese Datei eintragen (alles andere bleibt unverändert)',
  envSaved: 'Gespeichert, nur für das eigene Benutzerkonto lesbar, in',
  envSavedShared: 'Gespeichert, möglicherweise auch für andere Benutzer lesbar, in',
  envReplaces_one:
    'Die Datei setzt bereits {{names, list}}. Den Wert ersetzen? Alles andere in der Datei bleibt unverändert.',
  envReplaces_other:
    'Die Datei setzt bereits {{names, list}}. Die Werte ersetzen? Alles andere in der Datei bleibt unverändert.',
  access: {
    everyone:
      'Alle auf diesem Computer können diese Datei derzeit lesen. Nach dem Speichern können das nur noch Sie: Andere Benutzer und Programme, die unter einem anderen Benutzer laufen, verlieren den Zugriff.',
    some: 'Andere können diese Datei derzeit lesen. Nach dem Speichern können das nur noch Sie. Den Zugriff verlieren: {{names, list}}.',
    group: 'Gruppe {{name, isolated}}',
    user: 'Benutzer {{name, isolated}}',
    otherNames_one: 'Für die Datei gibt es {{count}} weiteren Hardlink. Dort bleibt der alte Inhalt erhalten.',
    otherNames_other: 'Für die Datei gibt es {{count}} weitere Hardlinks. Dort bleibt der alte Inhalt erhalten.',
  },
  shared:
    'Dieses Laufwerk unterstützt keine Dateiberechtigungen. Andere Benutzer dieses Computers können den Schlüssel möglicherweise lesen.',
  saveAnyway: 'Trotzdem speichern',
  gitRisk: {
    notIgnored:
      'Git ignoriert diese Datei nicht: Sie könnte in einen Commit geraten und der Schlüssel damit öffentlich werden. Bitte zuerst in .gitignore eintragen.',
    unknown:
      'Dieser Ordner gehört zu einem Git-Repository, das sich nicht lesen ließ. Die Datei darf nicht in einen Commit gelangen.',
  },
  elsewhere: 'Der neue Schlüssel ist in einem eigenen Fenster',
  elsewhereText:
    'Dort lässt sich der Schlüssel für {{name, isolated}} kopieren oder speichern. Er wird nur dieses eine Mal angezeigt.',
  showWindow: 'Fenster zeigen',
  gone: 'Dieser Schlüssel lässt sich nicht mehr anzeigen',
  lost: {
    locked: 'Der Schlüssel für {{name, isolated}} wird nicht mehr angezeigt: Der Bildschirm wurde gesperrt.',
    interrupted: 'Das Fenster mit dem Schlüssel für {{name, isolated}} wurde unerwartet geschlossen.',
  },
  lostRemedy: {
    neverCopied:
      'Der Schlüssel ist aktiv, wurde aber weder kopiert noch gespeichert. „Ersetzen“ widerruft ihn und erstellt einen neuen mit demselben Namen und denselben Berechtigungen.',
    copied:
      'Der Schlüssel ist aktiv, wurde aber nicht gespeichert und bleibt nicht in der Zwischenablage. Wenn er noch nicht an seinem Platz ist: „Ersetzen“ widerruft ihn und erstellt einen neuen mit demselben Namen und denselben Berechtigungen.',
  },
  replaceLost: 'Ersetzen',
  wasHidden: 'Dieses Fenster war ausgeblendet, daher ist der Schlüssel verdeckt.',
  close: 'Schließen',
  done: 'Fertig',
  notCopied: 'Der Schlüssel wurde noch nicht kopiert oder gespeichert.',
  replaced:
    'Der Schlüssel ist nicht mehr in der Zwischenablage. Wenn er noch nicht an seinem Platz ist, bitte erneut kopieren.',
  consequence: 'Er lässt sich nicht noch einmal anzeigen, nur widerrufen und durch einen neuen ersetzen.',
  keepOpen: 'Offen lassen',
  closeAnyway: 'Trotzdem schließen',
} as const;
