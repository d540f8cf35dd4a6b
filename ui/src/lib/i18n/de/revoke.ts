export const revoke = {
  title: '{{name, isolated}} widerrufen?',
  effect:
    'Programme, die diesen Schlüssel verwenden, verlieren sofort den Zugang. Das lässt sich nicht rückgängig machen.',
  prefix: 'Beginnt mit',
  confirm: 'Schlüssel widerrufen',
  leftInKeychain: {
    locked:
      'Der widerrufene Schlüssel {{name, isolated}} ist noch im Schlüsselbund dieses Computers, denn dieser ist gesperrt. Er wird beim nächsten Start der App entfernt.',
    dismissed:
      'Der widerrufene Schlüssel {{name, isolated}} ist noch im Schlüsselbund dieses Computers, weil die Abfrage des Schlüsselbunds geschlossen wurde. Sie erscheint beim nächsten Start der App erneut.',
    unreachable:
      'Der widerrufene Schlüssel {{name, isolated}} ist noch im Schlüsselbund dieses Computers, denn dieser ist nicht erreichbar. Er wird beim nächsten Start der App entfernt.',
    failed:
      'Der widerrufene Schlüssel {{name, isolated}} ist noch im Schlüsselbund dieses Computers, denn dieser konnte ihn nicht entfernen. Löschen Sie ihn in der App für Ihren Schlüsselbund, oder starten Sie UL Keys neu.',
  },
  revoked: '{{name, isolated}} wurde widerrufen',
  elsewhere: '{{name, isolated}} war bereits an anderer Stelle widerrufen worden',
  failed: 'Der Schlüssel wurde nicht widerrufen und funktioniert weiterhin.',
  uncertain: 'Es ist nicht bekannt, ob der Schlüssel widerrufen wurde. Zur Sicherheit erneut versuchen.',
  usedFrom: '{{ago}} von {{program}}',
  inUse: 'Ein Programm hat diesen Schlüssel in den letzten 24 Stunden verwendet. Es verliert den Zugang.',
  usedNow: 'Ein Programm hat diesen Schlüssel gerade eben verwendet. Es verliert den Zugang.',
  type: 'Zur Bestätigung {{name, isolated}} eingeben',
  orPrefix: 'Oder den Anfang des Schlüssels eingeben: {{prefix}}',
  notTheName: 'Das ist nicht der Name des Schlüssels.',
  many: {
    title_one: '{{number}} Schlüssel widerrufen?',
    title_other: '{{number}} Schlüssel widerrufen?',
    effect:
      'Programme, die diese Schlüssel verwenden, verlieren sofort den Zugang. Das lässt sich nicht rückgängig machen.',
    keys: 'Schlüssel, die widerrufen werden',
    lastUsed: 'zuletzt verwendet: {{ago}}',
    neverUsed: 'nie verwendet',
    more_one: 'und {{number}} weiterer',
    more_other: 'und {{number}} weitere',
    inUse_one: '{{number}} davon wurde in den letzten 24 Stunden verwendet.',
    inUse_other: '{{number}} davon wurden in den letzten 24 Stunden verwendet.',
    type: 'Zur Bestätigung die Anzahl der Schlüssel eingeben: {{number}}',
    notTheNumber: 'Das ist nicht die Anzahl der Schlüssel.',
    confirm_one: '{{number}} Schlüssel widerrufen',
    confirm_other: '{{number}} Schlüssel widerrufen',
    progress: '{{done}} von {{number}} erledigt',
    progressLabel: 'Fortschritt',
    stop: 'Anhalten',
    revoked_one: '{{number}} Schlüssel wurde widerrufen',
    revoked_other: '{{number}} Schlüssel wurden widerrufen',
    failed_one: '{{number}} Schlüssel wurde nicht widerrufen. Er bleibt ausgewählt.',
    failed_other: '{{number}} Schlüssel wurden nicht widerrufen. Sie bleiben ausgewählt.',
    uncertain_one:
      'Bei {{number}} Schlüssel ist nicht bekannt, ob er widerrufen wurde. Er bleibt ausgewählt; zur Sicherheit erneut versuchen.',
    uncertain_other:
      'Bei {{number}} Schlüsseln ist nicht bekannt, ob sie widerrufen wurden. Sie bleiben ausgewählt; zur Sicherheit erneut versuchen.',
  },
} as const;
