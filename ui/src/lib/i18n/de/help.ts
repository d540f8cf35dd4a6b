export const help = {
  intro: 'Herausfinden, warum ein Schlüssel abgelehnt wird, und wie man gut mit Schlüsseln umgeht.',

  check: 'Schlüssel prüfen',
  checkText:
    'Einen Schlüssel, einen fehlschlagenden Befehl oder dessen Fehlermeldung einfügen. Hier steht dann, woran es liegt und was zu tun ist.',
  field: 'Schlüssel, Befehl oder Fehlermeldung',
  placeholder: 'Hier einfügen',
  privacy:
    'Der eingefügte Text wird nicht aufbewahrt. Nur der Schlüssel und die Anfrage darin gehen an den Schlüsseldienst.',
  forgotten: 'Der eingefügte Text wurde nach zwei Minuten entfernt.',
  found: 'Im Text gefunden',
  clear: 'Leeren',
  answer: 'Antwort',
  chip: {
    key: 'Schlüssel {{begin}}',
    brokenKey: 'Unlesbarer Schlüssel',
    request: 'Anfrage {{request}}',
    server: 'Server {{server}}',
  },
  createKey: 'Schlüssel erstellen…',
  showKey: 'In der Liste zeigen',

  server: {
    title: 'Das geht an {{server}}, nicht an diesen Dienst',
    text: 'Dort sind die Schlüssel dieses Dienstes unbekannt. Diese Zeile dort setzen, wo das Programm läuft, oder im Befehl diese Adresse verwenden.',
  },
  slip: {
    placeholder: {
      title: 'Das ist ein Platzhalter, kein Schlüssel',
      text: 'Er steht in Beispielen für einen eigenen Schlüssel. Diesen an seiner Stelle einsetzen.',
    },
    sample: {
      title: 'Das ist das Beispiel aus der Dokumentation, kein Schlüssel',
      text: 'Es enthält Buchstaben jenseits von f, die in keinem echten Schlüssel vorkommen. Einen eigenen Schlüssel einsetzen.',
    },
    shortened: {
      title: 'Das ist nur der Anfang eines Schlüssels',
      text: 'Die Liste zeigt ihn, damit sich Schlüssel unterscheiden lassen. Ein Programm braucht alle 43 Zeichen. Sie wurden einmal gezeigt: Wenn niemand sie aufbewahrt hat, einen neuen Schlüssel erstellen.',
    },
    keyId: {
      title: 'Das ist die ID eines Schlüssels, nicht der Schlüssel selbst',
      text: 'Die ID benennt einen Schlüssel, ist nicht geheim und öffnet nichts. Das Programm braucht den Schlüssel, der mit ul_ beginnt.',
    },
    quotes: {
      title: 'Anführungszeichen sind Teil des Schlüssels geworden',
      text: 'Gerade Anführungszeichen verwenden, ein Paar um den ganzen Wert. Textprogramme und Chats machen daraus oft typografische.',
    },
    bearerInside: {
      title: 'Die Variable enthält auch das Wort „Bearer“',
      text: 'Nur den Schlüssel in die Variable schreiben. „Bearer“ ergänzt das Programm selbst.',
    },
    bearerMissing: {
      title: 'Vor dem Schlüssel fehlt das Wort „Bearer“',
      text: 'Eine Anfrage trägt den Schlüssel in dieser Kopfzeile: Authorization: Bearer, ein Leerzeichen, der Schlüssel.',
    },
    singleQuotes: {
      title: 'In einfachen Anführungszeichen setzt die Shell keine Variable ein',
      text: 'Der Dienst bekommt den Namen der Variable statt des Schlüssels. Doppelte Anführungszeichen verwenden.',
    },
    empty: {
      title: 'Hier steht kein Schlüssel',
      text: 'Die Stelle für den Schlüssel ist leer, so wie bei einer Variable, die nie gesetzt wurde. Nachsehen, ob sie gesetzt ist: Ein Schlüssel hat 43 Zeichen.',
    },
    variable: {
      title: 'Der Schlüssel kommt aus einer Variable',
      text: 'Nachsehen, ob sie dort gesetzt ist, wo das Programm läuft, ohne den Schlüssel anzuzeigen: Die Antwort muss 43 sein. Ist sie das, hier den Schlüssel selbst einfügen.',
    },
  },
  variable: {
    look: { bash: 'Wie lang sie ist, in bash und zsh', powerShell: 'Wie lang sie ist, in PowerShell' },
    set: {
      bash: 'Setzen: den Schlüssel unsichtbar einfügen, dann die Eingabetaste drücken',
      powerShell: 'Aus der Zwischenablage setzen',
    },
    copy: '{{line}} kopieren',
    copied: 'Die Zeile wurde kopiert',
  },
  elsewhere: {
    title: 'Falls das Programm trotzdem abgelehnt wird',
    address:
      'Vielleicht spricht es mit dem öffentlichen Dienst, der diesen Schlüssel nicht kennt. Diese Zeile dort setzen, wo es läuft.',
    saved:
      'Vielleicht verwendet es auch einen anderen Schlüssel: ULTRALYTICS_API_KEY geht einem Schlüssel vor, der mit „ul login“ oder „yolo login“ gespeichert wurde.',
  },
  refused: {
    '401': {
      title: 'Der Dienst hat den Schlüssel nicht akzeptiert',
      text: 'Er kann unvollständig, widerrufen oder beim angesprochenen Dienst unbekannt sein, oder seine Variable ist nicht gesetzt. Den Schlüssel oder den Befehl mit ihm einfügen, um zu sehen, was zutrifft.',
    },
    '403': {
      title: 'Der Schlüssel ist gültig, aber seine Berechtigungen erlauben diese Anfrage nicht',
      text: 'Den Schlüssel zusammen mit dem Befehl einfügen, um zu sehen, welche Berechtigung fehlt.',
    },
    '429': {
      title: 'Der Schlüssel hat innerhalb einer Minute zu viele Anfragen gestellt',
      text: 'Das Programm so lange warten lassen, wie die Kopfzeile Retry-After der Antwort sagt, und nach jeder weiteren Ablehnung länger. Den Schlüssel zusammen mit dem Befehl einfügen, um zu sehen, wann die nächste Anfrage angenommen wird.',
    },
  },
  nothing: {
    title: 'In diesem Text wurde kein Schlüssel gefunden',
    text: 'Den Schlüssel selbst oder den ganzen Befehl mit dem Schlüssel einfügen.',
    request: 'Die Anfrage wurde gefunden. Den Schlüssel dazu ergänzen, dann wird beides zusammen geprüft.',
  },
  malformed: {
    title: 'Dieser Schlüssel ist nicht so, wie er erstellt wurde',
    whiteSpace: 'Er enthält Leerzeichen oder Zeilenumbrüche. Noch einmal in einem Stück kopieren.',
    prefix: 'Er beginnt nicht mit ul_. Den ganzen Schlüssel kopieren, vom ersten Zeichen an.',
    length: 'Er hat nicht 43 Zeichen. Den ganzen Schlüssel kopieren: ul_ und die 40 Zeichen danach.',
    upperCase: 'Er enthält Großbuchstaben. Genau so verwenden, wie er gezeigt wurde: Alle Buchstaben sind klein.',
    notHexadecimal:
      'Er enthält Zeichen, die in keinem Schlüssel vorkommen. Nach ul_ gibt es nur die Ziffern 0–9 und die Buchstaben a–f.',
  },
  unknown: {
    title: 'Dieser Dienst kennt den Schlüssel nicht',
    text: 'Seine Form stimmt, aber er wurde nicht hier erstellt oder enthält einen Tippfehler. Prüfen, ob das Programm mit dem Dienst spricht, bei dem der Schlüssel erstellt wurde. Ein verlorener Schlüssel lässt sich nicht noch einmal anzeigen: einen neuen erstellen.',
  },
  revoked: {
    title: '{{name, isolated}} wurde widerrufen',
    text: 'Seit {{when}} wird er abgelehnt, endgültig. Einen neuen Schlüssel erstellen und an seine Stelle setzen.',
  },
  scope: {
    title: '{{name, isolated}} darf diese Anfrage nicht stellen',
    text: 'Eine dieser Berechtigungen ist nötig: {{needed}}. Der Schlüssel hat: {{has}}.',
    remedy:
      'Die Berechtigungen eines Schlüssels ändern sich nie. Einen Schlüssel mit der fehlenden Berechtigung erstellen.',
    noneTitle: 'Keine Berechtigung erlaubt diese Anfrage',
    none: 'Den Pfad prüfen: Er beginnt mit /api/ und hat keine leeren, maskierten oder nur aus Punkten bestehenden Teile.',
  },
  limit: {
    title: '{{name, isolated}} hat sein Limit erreicht',
    text: 'Das Limit liegt bei {{limit}} solchen Anfragen pro Minute. Die nächste wird um {{when}} angenommen.',
    remedy: 'Das Programm seltener anfragen und nach jeder Ablehnung länger warten lassen.',
  },
  peerLimit: {
    title: 'Von diesem Computer kamen zu viele ungültige Schlüssel',
    text: 'Bis {{when}} werden nur Schlüssel beachtet, die vorher schon in Gebrauch waren. Unter Aktivität steht, was abgelehnt wurde; so lässt sich das Programm finden, das falsche Schlüssel sendet.',
  },
  accepted: {
    title: '{{name, isolated}} ist gültig',
    text: 'Er hat diese Berechtigungen: {{scopes}}. Den ganzen Befehl einfügen, um zu sehen, ob sie für dessen Anfrage reichen.',
    requestTitle: '{{name, isolated}} darf diese Anfrage stellen',
    requestText: 'Der Schlüssel ist gültig, und seine Berechtigungen reichen: {{scopes}}.',
  },

  habits: 'Gute Gewohnheiten',
  doTitle: 'Richtig',
  do: {
    store: 'Schlüssel in Umgebungsvariablen, im Schlüsselbund oder in einer .env-Datei aufbewahren, die Git ignoriert.',
    separate: 'Jedem Programm an jedem Ort einen eigenen Schlüssel geben.',
    least: 'Nur die Berechtigungen wählen, die das Programm braucht.',
    rotate: 'Schlüssel alle paar Monate erneuern, und sofort, wenn einer bekannt geworden sein könnte.',
    revoke: 'Schlüssel widerrufen, die niemand mehr verwendet.',
  },
  doNotTitle: 'Falsch',
  doNot: {
    commit: 'Schlüssel in die Versionsverwaltung einchecken.',
    share: 'Einen Schlüssel auf mehrere Programme oder Personen verteilen.',
    admin: 'admin wählen, wo eine andere Berechtigung reicht.',
    log: 'Schlüssel in Protokolle oder Fehlermeldungen schreiben.',
    embed: 'Schlüssel in Apps oder Webseiten einbauen, die andere öffnen können.',
  },

  format: 'Wie ein Schlüssel aussieht',
  formatText: 'Jeder Schlüssel beginnt mit ul_. Danach kommen 40 Zeichen, jedes 0–9 oder a–f: zusammen 43.',
  scopes: 'Was jede Berechtigung erlaubt',
  scopesText: 'Ein Schlüssel darf, was seine Berechtigungen zusammen erlauben.',
  limits: 'Anfragelimits: wie oft ein Schlüssel anfragen darf',
  limitsText:
    'Anfragen pro Minute je Schlüssel. Messwerte und das Hochladen von Checkpoints zählen je Training, ungültige Schlüssel je Adresse. Die Limits können Sie in den Einstellungen ändern.',

  questions: 'Fragen und Antworten',
  question: {
    expire: 'Laufen Schlüssel ab?',
    again: 'Lässt sich ein Schlüssel noch einmal anzeigen?',
    leaked: 'Was tun, wenn ein Schlüssel bekannt geworden ist?',
    many: 'Wie viele Schlüssel sind möglich?',
    team: 'Darf ein Team sich einen Schlüssel teilen?',
    closed: 'Funktionieren Schlüssel, während diese App geschlossen ist?',
    proxy: 'Was gilt, wenn ich einen Proxy verwende?',
  },
  reply: {
    expire:
      'Nein. Ein Schlüssel funktioniert, bis er widerrufen wird. Darum lohnt es sich, Schlüssel von Zeit zu Zeit zu erneuern.',
    again:
      'Nein. Der vollständige Schlüssel wird einmal gezeigt, wenn er entsteht, und nicht aufbewahrt. Ist er verloren, einen neuen erstellen und den alten widerrufen.',
    leaked:
      'Einen neuen Schlüssel mit denselben Berechtigungen erstellen, an die Stelle des alten setzen und den alten widerrufen. Ist er womöglich schon in falschen Händen, zuerst widerrufen: Von da an wird er überall abgelehnt.',
    many: 'Beliebig viele. Mit einem für jedes Programm ist leicht zu sehen, wer was verwendet, und jeder lässt sich einzeln widerrufen.',
    team: 'Besser nicht. Haben alle Beteiligten je einen eigenen Schlüssel, ist zu sehen, wer was getan hat, und der Zugang lässt sich einzeln entziehen.',
    closed:
      'Ja, wenn Sie UL Keys beim Schließen des Fensters weiterlaufen lassen. Wenn Sie UL Keys beenden, können Programme Ihre Schlüssel erst wieder verwenden, wenn Sie es öffnen.',
    closedNever:
      'Nein. Der Schlüsseldienst läuft in dieser App, und Programme erreichen ihn nur, solange sie geöffnet ist.',
    closedAttached:
      'Ja. Der Schlüsseldienst läuft eigenständig („ul-keys serve“), ob diese App geöffnet ist oder nicht.',
    proxy:
      'Nehmen Sie überall, wo eine Anwendung einen Schlüssel verwendet, 127.0.0.1 in die Variablen no_proxy und NO_PROXY auf. Sonst erhält der Proxy den Schlüssel, und die Anwendung erreicht den lokalen Server nicht. „ul-keys run“ und die Beispiele erledigen das; eine .env-Datei nicht.',
  },
} as const;
