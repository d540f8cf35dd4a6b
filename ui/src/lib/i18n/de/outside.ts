export const outside = {
  stopped: {
    missing: {
      title: 'Die Schlüsseldatenbank wurde verschoben oder gelöscht',
      remedy:
        'Bestehende Schlüssel funktionieren weiter, aber Sie können keine Schlüssel erstellen, umbenennen oder widerrufen. Legen Sie die Datei zurück. Wenn Sie stattdessen „Erneut versuchen“ wählen, ist die Liste danach leer, und bestehende Schlüssel funktionieren nicht mehr.',
      remedyAttached:
        'Bestehende Schlüssel funktionieren weiter, aber Sie können keine Schlüssel erstellen, umbenennen oder widerrufen. Legen Sie die Datei zurück. Wenn Sie stattdessen „ul-keys serve“ neu starten, ist die Liste danach leer, und bestehende Schlüssel funktionieren nicht mehr.',
    },
    replaced: {
      title: 'Die Schlüsseldatenbank wurde durch eine andere Datei ersetzt',
      remedy:
        'Bestehende Schlüssel funktionieren weiter, aber Sie können keine Schlüssel erstellen, umbenennen oder widerrufen. Versuchen Sie es erneut, um die aktuelle Datei zu verwenden.',
      remedyAttached:
        'Bestehende Schlüssel funktionieren weiter, aber Sie können keine Schlüssel erstellen, umbenennen oder widerrufen. Starten Sie „ul-keys serve“ neu, um die aktuelle Datei zu verwenden.',
    },
    overwritten: {
      title: 'Ein anderes Programm hat die Schlüsseldatenbank überschrieben',
      remedy:
        'Bestehende Schlüssel funktionieren weiter, aber Sie können keine Schlüssel erstellen, umbenennen oder widerrufen. Versuchen Sie es erneut, um die Datei so zu verwenden, wie sie jetzt ist.',
      remedyAttached:
        'Bestehende Schlüssel funktionieren weiter, aber Sie können keine Schlüssel erstellen, umbenennen oder widerrufen. Starten Sie „ul-keys serve“ neu, um die Datei so zu verwenden, wie sie jetzt ist.',
    },
    shared: {
      title: 'UL Keys läuft ein zweites Mal mit dieser Datenbank',
      remedy:
        'Die Sperrdatei der Datenbank wurde gelöscht. Schließen Sie das andere Programmfenster, um hier Schlüssel zu erstellen, umzubenennen oder zu widerrufen.',
      remedyAttached:
        'Die Sperrdatei der Datenbank wurde gelöscht. Schließen Sie das andere Programmfenster, und starten Sie „ul-keys serve“ neu, um hier Schlüssel zu erstellen, umzubenennen oder zu widerrufen.',
    },
  },
  file: 'Datei',
  saved: 'Ihre bisherige Datenbank wurde gespeichert als',
  full: {
    title: 'Der Datenträger mit der Schlüsseldatenbank ist voll',
    text: 'Vorhandene Schlüssel funktionieren weiter und lassen sich widerrufen, aber Sie können keine Schlüssel erstellen oder umbenennen. Geben Sie auf dem Datenträger mit diesem Ordner Speicherplatz frei. UL Keys arbeitet dann von selbst weiter und speichert die Nutzungsdaten, die es bis dahin im Arbeitsspeicher hält.',
    folder: 'Ordner',
  },
  record: {
    title: 'Widerrufe sind derzeit nicht vor alten Sicherungen geschützt',
    text: 'Die Liste widerrufener Schlüssel außerhalb der Datenbank lässt sich nicht verwenden. Bis das behoben ist, könnte eine zurückgespielte alte Kopie der Datenbank widerrufene Schlüssel wieder gültig machen.',
  },
  detail: 'Technische Details: {{text}}',
  changed: 'Ein anderes Programm hat Ihre Schlüsseldatenbank geändert',
  activity: 'Aktivität anzeigen',
  renamedFrom: 'Von einem anderen Programm umbenannt: {{before, isolated}} in {{after, isolated}}',
  scopesFrom: 'Berechtigungen von einem anderen Programm geändert: {{before}} in {{after}}',
  event: {
    whileClosed:
      'Schlüssel wurden geändert, während UL Keys geschlossen war. Prüfen Sie, ob Sie alle Schlüssel in der Liste kennen.',
    recordLost: 'Die Liste widerrufener Schlüssel fehlte. UL Keys hat sie aus der Datenbank neu erstellt.',
    recordReplaced:
      'Die Liste widerrufener Schlüssel wurde durch eine andere ersetzt. UL Keys hat die fehlenden Einträge ergänzt.',
    recordDamaged: 'Die Liste widerrufener Schlüssel wurde gekürzt oder bearbeitet. UL Keys hat sie neu erstellt.',
  },
  change: {
    added_one: '{{keys}} Schlüssel von einem anderen Programm hinzugefügt',
    added_other: '{{keys}} Schlüssel von einem anderen Programm hinzugefügt',
    removed_one: '{{keys}} Schlüssel von einem anderen Programm entfernt',
    removed_other: '{{keys}} Schlüssel von einem anderen Programm entfernt',
    renamed_one: '{{keys}} Schlüssel von einem anderen Programm umbenannt',
    renamed_other: '{{keys}} Schlüssel von einem anderen Programm umbenannt',
    scopesChanged_one: 'Berechtigungen von {{keys}} Schlüssel von einem anderen Programm geändert',
    scopesChanged_other: 'Berechtigungen von {{keys}} Schlüsseln von einem anderen Programm geändert',
    secretChanged_one: '{{keys}} Schlüssel von einem anderen Programm ausgetauscht',
    secretChanged_other: '{{keys}} Schlüssel von einem anderen Programm ausgetauscht',
    revoked_one: '{{keys}} Schlüssel von einem anderen Programm widerrufen',
    revoked_other: '{{keys}} Schlüssel von einem anderen Programm widerrufen',
    keptRevoked_one:
      '{{keys}} widerrufener Schlüssel wurde von einem anderen Programm reaktiviert. UL Keys hat ihn wieder widerrufen.',
    keptRevoked_other:
      '{{keys}} widerrufene Schlüssel wurden von einem anderen Programm reaktiviert. UL Keys hat sie wieder widerrufen.',
  },
} as const;
