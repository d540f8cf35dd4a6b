export const outside = {
  stopped: {
    missing: {
      title: 'Die Schlüsseldatenbank wurde verschoben oder gelöscht',
      remedy:
        'Bestehende Schlüssel funktionieren weiter, aber Sie können keine Schlüssel erstellen, umbenennen oder widerrufen. Legen Sie die Datei zurück, oder versuchen Sie es erneut, um den jetzigen Stand zu verwenden.',
    },
    replaced: {
      title: 'Die Schlüsseldatenbank wurde durch eine andere Datei ersetzt',
      remedy:
        'Bestehende Schlüssel funktionieren weiter, aber Sie können keine Schlüssel erstellen, umbenennen oder widerrufen. Versuchen Sie es erneut, um die jetzige Datei zu verwenden.',
    },
    overwritten: {
      title: 'Eine andere Anwendung hat die Schlüsseldatenbank überschrieben',
      remedy:
        'Bestehende Schlüssel funktionieren weiter, aber Sie können keine Schlüssel erstellen, umbenennen oder widerrufen. Versuchen Sie es erneut, um die Datei in ihrem jetzigen Zustand zu verwenden.',
    },
    shared: {
      title: 'Ein anderes UL Keys verwendet diese Schlüsseldatenbank',
      remedy:
        'Ihre Sperrdatei wurde gelöscht. Schließen Sie das andere UL Keys, um hier Schlüssel zu erstellen, umzubenennen oder zu widerrufen.',
    },
  },
  file: 'Datei',
  saved: 'Ihre bisherige Datenbank wurde gespeichert als',
  record: {
    title: 'Widerrufe sind derzeit nicht vor alten Sicherungen geschützt',
    text: 'Die Liste widerrufener Schlüssel, die UL Keys außerhalb der Datenbank führt, konnte nicht geschrieben werden. Widerrufene Schlüssel bleiben widerrufen, solange niemand eine alte Kopie der Datenbank zurückspielt. UL Keys versucht es weiter.',
  },
  detail: 'Technische Einzelheit: {{text}}',
  changed: 'Eine andere Anwendung hat Ihre Schlüsseldatenbank geändert',
  activity: 'Aktivität anzeigen',
  renamedFrom: 'Von einer anderen Anwendung umbenannt: {{before, isolated}} in {{after, isolated}}',
  scopesFrom: 'Berechtigungen von einer anderen Anwendung geändert: {{before}} in {{after}}',
  event: {
    whileClosed:
      'Schlüssel wurden geändert, während UL Keys geschlossen war. Prüfen Sie, ob Sie alle Schlüssel in der Liste kennen.',
    recordLost: 'Die Liste widerrufener Schlüssel fehlte. UL Keys hat sie aus der Datenbank neu erstellt.',
    recordReplaced:
      'Die Liste widerrufener Schlüssel wurde durch eine andere ersetzt. UL Keys hat die fehlenden Einträge ergänzt.',
    recordDamaged: 'Die Liste widerrufener Schlüssel wurde gekürzt oder bearbeitet. UL Keys hat sie neu erstellt.',
  },
  change: {
    added_one: '{{keys}} Schlüssel von einer anderen Anwendung hinzugefügt',
    added_other: '{{keys}} Schlüssel von einer anderen Anwendung hinzugefügt',
    removed_one: '{{keys}} Schlüssel von einer anderen Anwendung entfernt',
    removed_other: '{{keys}} Schlüssel von einer anderen Anwendung entfernt',
    renamed_one: '{{keys}} Schlüssel von einer anderen Anwendung umbenannt',
    renamed_other: '{{keys}} Schlüssel von einer anderen Anwendung umbenannt',
    scopesChanged_one: 'Berechtigungen von {{keys}} Schlüssel von einer anderen Anwendung geändert',
    scopesChanged_other: 'Berechtigungen von {{keys}} Schlüsseln von einer anderen Anwendung geändert',
    secretChanged_one: '{{keys}} Schlüssel von einer anderen Anwendung ausgetauscht',
    secretChanged_other: '{{keys}} Schlüssel von einer anderen Anwendung ausgetauscht',
    revoked_one: '{{keys}} Schlüssel von einer anderen Anwendung widerrufen',
    revoked_other: '{{keys}} Schlüssel von einer anderen Anwendung widerrufen',
    keptRevoked_one:
      '{{keys}} widerrufener Schlüssel wurde von einer anderen Anwendung reaktiviert. UL Keys hat ihn wieder widerrufen.',
    keptRevoked_other:
      '{{keys}} widerrufene Schlüssel wurden von einer anderen Anwendung reaktiviert. UL Keys hat sie wieder widerrufen.',
  },
} as const;
