import type { Scope } from '../ipc';
import type { Messages } from './en';
import { isolated } from './isolated';

function list(parts: string[]): string {
  return new Intl.ListFormat('de', { type: 'conjunction' }).format(parts);
}

const abilities: Record<Scope, string> = {
  training: 'Trainings starten und ihre Messwerte übertragen',
  models: 'Modelle hochladen, herunterladen und löschen',
  datasets: 'Datensätze öffnen und ändern',
  read: 'alle Ressourcen lesen',
  write: 'alle Ressourcen lesen und ändern',
  admin: 'das Konto verwalten',
};

export const de: Messages = {
  product: 'UL Keys',
  settings: 'Einstellungen',
  sections: 'Bereiche der Einstellungen',
  notifications: 'Mitteilungen',
  justNow: 'gerade eben',
  never: 'Nie',
  cancel: 'Abbrechen',
  dismiss: 'Ausblenden',
  copy: 'Kopieren',
  copied: 'Kopiert',
  tryAgain: 'Erneut versuchen',
  nothingChanged: 'Es wurde nichts verändert.',
  scopes: {
    training: 'Training starten, Messwerte übertragen',
    models: 'Modelle hochladen, herunterladen, löschen',
    datasets: 'Datensätze öffnen und ändern',
    read: 'Alle Ressourcen lesen, nichts ändern',
    write: 'Voller Schreibzugriff, Lesen eingeschlossen',
    admin: 'Kontoverwaltung; mit Bedacht vergeben',
  },
  failures: {
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
    CLIPBOARD_UNAVAILABLE:
      'Die Zwischenablage ist nicht verfügbar. Den Schlüssel anders speichern oder von hier abtippen.',
    KEY_ON_SCREEN: 'Ein anderer neuer Schlüssel wird noch angezeigt. Bitte zuerst dessen Fenster schließen.',
    KEYCHAIN_MISSING:
      'Auf diesem Computer ist kein Schlüsselbund erreichbar. Bitte einen starten (GNOME-Schlüsselbund, KWallet oder KeePassXC) oder den Schlüssel kopieren.',
    KEYCHAIN_LOCKED:
      'Der Schlüsselbund ist gesperrt und wurde nicht rechtzeitig entsperrt. Bitte entsperren und erneut versuchen.',
    KEYCHAIN_REFUSED: 'Die Frage des Schlüsselbunds wurde ohne Antwort geschlossen. Nichts wurde gespeichert.',
    KEYCHAIN_TAKEN: 'Der Schlüsselbund enthält unter diesem Namen einen anderen Schlüssel.',
    KEYCHAIN_FAILED: 'Der Schlüsselbund konnte den Schlüssel nicht speichern.',
    ENV_FILE_FAILED: 'Die Datei wurde nicht geändert.',
    SECRET_GONE: 'Die App hat diesen Schlüssel nicht mehr. Bitte widerrufen und einen neuen erstellen.',
    SETTINGS_NOT_SAVED: 'Die Einstellung konnte nicht gespeichert werden.',
  },
  envFileFailed: (detail) => `Die Datei wurde nicht geändert: ${detail}`,
  refused: (detail) => `Der Schlüsseldienst hat das nicht angenommen: ${detail}`,

  keys: {
    title: 'API-Schlüssel',
    intro: 'Jeder Schlüssel gewährt einem Programm Zugang, und nur so weit, wie seine Berechtigungen reichen.',
    create: 'Schlüssel erstellen',
    shortcut: (keys) => `Tastenkürzel: ${keys}`,
    unavailable: 'Schlüssel lassen sich wieder erstellen, sobald der Schlüsseldienst läuft.',
    loading: 'Die Schlüssel werden geladen',
    name: 'Name',
    scopes: 'Berechtigungen',
    created: 'Erstellt',
    lastUsed: 'Zuletzt verwendet',
    actions: 'Aktionen',
    actionsFor: (name) => `Aktionen für ${isolated(name)}`,
    copyId: 'Schlüssel-ID kopieren',
    idCopied: (name) => `Die ID von ${isolated(name)} wurde kopiert`,
    revoke: 'Widerrufen…',
    emptyTitle: 'Noch keine Schlüssel',
    emptyText:
      'Mit einem API-Schlüssel weist ein Programm nach, dass es Modelle, Datensätze und Training nutzen darf. Am besten bekommt jedes Programm einen eigenen: So ist zu sehen, wann er zuletzt verwendet wurde, und er lässt sich widerrufen, ohne die anderen zu stören.',
    listFailed: 'Die Schlüssel lassen sich nicht anzeigen',
    outdated: 'Diese Liste ist möglicherweise nicht mehr aktuell.',
  },

  createKey: {
    title: 'Schlüssel erstellen',
    intro: 'Ein Schlüssel für ein Programm.',
    name: 'Name',
    nameHint: 'Wo der Schlüssel verwendet wird.',
    suggestions: 'Vorschläge',
    nameInUse: 'Ein anderer Schlüssel heißt schon so. Das ist erlaubt, erschwert aber das Unterscheiden.',
    nameProblems: {
      empty: 'Bitte einen Namen eingeben.',
      tooLong: 'Höchstens 64 Zeichen verwenden.',
      control: 'Zeilenumbrüche und unsichtbare Steuerzeichen entfernen.',
      containsKey:
        'Das ist ein API-Schlüssel. Hier gehört ein Name für den Schlüssel hin; Namen werden lesbar gespeichert.',
    },
    scopes: 'Berechtigungen',
    scopesHint: 'Nur auswählen, was das Programm braucht.',
    noScope: 'Mindestens eine Berechtigung auswählen.',
    adminCaution:
      'Mit admin kann ein Programm das Konto und seine Schlüssel verwalten. Nur wenige Programme brauchen das.',
    abilitiesNone: 'Sobald Berechtigungen ausgewählt sind, steht hier, was der Schlüssel darf.',
    abilities: (chosen) => `Dieser Schlüssel darf ${list(chosen.map((scope) => abilities[scope]))}.`,
    create: 'Erstellen',
    creating: 'Der Schlüssel wird erstellt',
    failed: 'Der Schlüssel wurde nicht erstellt.',
    uncertain:
      'Es ist nicht bekannt, ob der Schlüssel erstellt wurde. Erscheint er in der Liste, bitte widerrufen: Vollständig lässt er sich nicht mehr anzeigen.',
  },

  oneTime: {
    title: 'Schlüssel kopieren',
    intro: (name) => `Der Schlüssel für ${isolated(name)} ist bereit.`,
    onlyOnce:
      'Der vollständige Schlüssel wird nur dieses eine Mal angezeigt. Bitte sicher aufbewahren: Er lässt sich nicht noch einmal anzeigen.',
    key: 'API-Schlüssel',
    copied: 'Der Schlüssel wurde kopiert',
    address: 'Programme finden diesen Dienst unter',
    places: 'Oder gleich dorthin, wo er gebraucht wird',
    keychain: 'Im Schlüsselbund speichern',
    keychainSaved: (name) => `Im Schlüsselbund als ${isolated(name)} gespeichert. So startet ein Programm damit:`,
    keychainTaken: (name) =>
      `Der Schlüsselbund enthält unter dem Namen ${isolated(name)} bereits einen anderen Schlüssel. Durch diesen ersetzen?`,
    replace: 'Ersetzen',
    envFile: 'Als .env speichern…',
    envFileTitle: 'Den Schlüssel in diese Datei eintragen (andere Zeilen bleiben)',
    envSaved: 'Gespeichert, nur für das eigene Benutzerkonto lesbar, in',
    envReplaces: (names) =>
      `Die Datei setzt bereits ${list(names)}. ${names.length === 1 ? 'Diese Zeile' : 'Diese Zeilen'} ersetzen? Alle anderen bleiben, wie sie sind.`,
    saveAnyway: 'Trotzdem speichern',
    gitRisk: {
      notIgnored:
        'Git ignoriert diese Datei nicht: Sie könnte in einen Commit geraten und der Schlüssel damit öffentlich werden. Bitte zuerst in .gitignore eintragen.',
      unknown:
        'Dieser Ordner gehört zu einem Git-Repository, das sich nicht lesen ließ. Die Datei darf nicht in einen Commit gelangen.',
    },
    elsewhere: 'Der neue Schlüssel ist in einem eigenen Fenster',
    elsewhereText: (name) =>
      `Dort lässt sich der Schlüssel für ${isolated(name)} kopieren oder speichern. Er wird nur dieses eine Mal angezeigt.`,
    showWindow: 'Fenster zeigen',
    gone: 'Dieser Schlüssel lässt sich nicht mehr anzeigen',
    lost: {
      hidden: (name) => `Der Schlüssel für ${isolated(name)} wurde entfernt, als sein Fenster minimiert wurde.`,
      locked: (name) => `Der Schlüssel für ${isolated(name)} wurde entfernt, als der Bildschirm gesperrt wurde.`,
      interrupted: (name) => `Das Fenster mit dem Schlüssel für ${isolated(name)} wurde unerwartet geschlossen.`,
    },
    lostRemedy:
      'Er war weder kopiert noch gespeichert und lässt sich nicht noch einmal anzeigen: bitte widerrufen und einen neuen erstellen.',
    done: 'Fertig',
    notCopied: 'Der Schlüssel wurde noch nicht kopiert oder gespeichert.',
    replaced:
      'Der Schlüssel ist nicht mehr in der Zwischenablage. Wenn er noch nicht an seinem Platz ist, bitte erneut kopieren.',
    consequence: 'Er lässt sich nicht noch einmal anzeigen, nur widerrufen und durch einen neuen ersetzen.',
    keepOpen: 'Offen lassen',
    closeAnyway: 'Trotzdem schließen',
  },

  clipboard: {
    about: 'Zwischenablage',
    stays: (seconds) => `Ein kopierter Schlüssel verlässt die Zwischenablage nach ${seconds} Sekunden.`,
    clearsIn: (seconds) => `Noch ${seconds} ${seconds === 1 ? 'Sekunde' : 'Sekunden'} in der Zwischenablage`,
    clearNow: 'Jetzt entfernen',
    cleared: 'Der Schlüssel ist nicht mehr in der Zwischenablage',
  },

  revoke: {
    title: (name) => `${isolated(name)} widerrufen?`,
    effect:
      'Programme, die diesen Schlüssel verwenden, verlieren sofort den Zugang. Das lässt sich nicht rückgängig machen.',
    prefix: 'Beginnt mit',
    confirm: 'Schlüssel widerrufen',
    leftInKeychain: (name) =>
      `Der widerrufene Schlüssel ${isolated(name)} ist noch im Schlüsselbund dieses Computers, der gesperrt oder nicht erreichbar ist. Er wird beim nächsten Start der App entfernt.`,
    revoked: (name) => `${isolated(name)} wurde widerrufen`,
    elsewhere: (name) => `${isolated(name)} war bereits an anderer Stelle widerrufen worden`,
    failed: 'Der Schlüssel wurde nicht widerrufen und funktioniert weiterhin.',
    uncertain: 'Es ist nicht bekannt, ob der Schlüssel widerrufen wurde. Zur Sicherheit erneut versuchen.',
  },

  service: {
    name: 'Schlüsseldienst',
    state: {
      starting: 'Startet…',
      running: 'Läuft',
      portInUse: 'Port belegt',
      databaseProblem: 'Datenbankproblem',
      stopped: 'Gestoppt',
    },
    purpose: 'Programme, bei denen diese Zeile gesetzt ist, verwenden diesen Dienst anstelle des öffentlichen.',
    copyLine: 'Adresszeile kopieren',
    lineCopied: 'Die Adresszeile wurde kopiert',
    notRunning: 'Die Adresse erscheint hier, sobald der Dienst läuft.',
    changePort: 'Port ändern…',
    port: 'Port',
    portHint: 'Eine Zahl von 1024 bis 65535.',
    portInvalid: 'Eine ganze Zahl von 1024 bis 65535 eingeben.',
    portCaution: 'Programme mit der alten Adresse müssen danach auf die neue umgestellt werden.',
    savePort: 'Port ändern',
    portChanged: (address) => `Der Schlüsseldienst ist jetzt unter ${address} erreichbar`,
    portTaken: (port) => `Port ${port} wird von einem anderen Programm verwendet. Bitte einen anderen wählen.`,
  },

  problem: {
    portUsedBy: (port, name, pid) => `Port ${port} wird von „${isolated(name)}“ verwendet (Prozess ${pid})`,
    portUsed: (port) => `Port ${port} wird von einem anderen Programm verwendet`,
    portRemedy: 'Das Programm schließen und erneut versuchen, oder den Dienst einen anderen Port verwenden lassen.',
    portExposure:
      'Programme, die diese Adresse verwenden, haben ihre Schlüssel möglicherweise dorthin gesendet. Wer das andere Programm nicht kennt, sollte die in der Zwischenzeit verwendeten Schlüssel widerrufen.',
    portNote: (port) => `Mit Port ${port} müssen Programme mit der alten Adresse auf die neue umgestellt werden.`,
    usePort: (port) => `Port ${port} verwenden`,
    database: {
      locked: {
        title: 'Ein anderes Programm verwendet die Schlüsseldatenbank',
        remedy: 'Das andere Programm oder das andere Fenster dieser App schließen und erneut versuchen.',
      },
      readOnly: {
        title: 'Die Schlüsseldatenbank ist schreibgeschützt',
        remedy:
          'Dem eigenen Benutzerkonto erlauben, in die Datei und ihren Ordner zu schreiben, dann erneut versuchen.',
      },
      corrupt: {
        title: 'Die Schlüsseldatenbank ist beschädigt',
        remedy:
          'Die Datei aus einer Sicherung wiederherstellen oder sie verschieben, um mit einer leeren Liste zu beginnen.',
      },
      newer: {
        title: 'Die Schlüsseldatenbank gehört zu einer neueren Version dieser App',
        remedy: 'Die neueste Version der App installieren und erneut öffnen.',
      },
      foreign: {
        title: 'Diese Datei gehört einem anderen Programm',
        remedy: 'Die Datei verschieben, damit die App ihre eigene anlegen kann, dann erneut versuchen.',
      },
      unavailable: {
        title: 'Die Schlüsseldatenbank lässt sich nicht öffnen',
        remedy: 'Prüfen, ob der Datenträger verbunden ist, Platz hat und den Zugriff erlaubt. Dann erneut versuchen.',
      },
    },
    file: 'Datei',
    detail: (text) => `Technische Einzelheit: ${text}`,
    stopped: 'Der Schlüsseldienst läuft nicht mehr',
    stoppedRemedy:
      'Bis er wieder läuft, können Programme ihre Schlüssel nicht verwenden. Die Schlüssel selbst sind sicher.',
  },
};
