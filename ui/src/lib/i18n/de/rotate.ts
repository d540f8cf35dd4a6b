export const rotate = {
  title: '{{name, isolated}} erneuern',
  intro:
    'Der alte Schlüssel funktioniert bis zum letzten Schritt weiter. Das Fenster kann jederzeit geschlossen und die Erneuerung später fortgesetzt werden.',
  state: {
    done: 'Schritt {{number}}, erledigt:',
    current: 'Schritt {{number}}, jetzt:',
    later: 'Schritt {{number}}:',
  },
  step: {
    create: 'Neuen Schlüssel erstellen',
    update: 'Anwendungen umstellen',
    verify: 'Prüfen, ob sie funktionieren',
    revoke: 'Alten Schlüssel widerrufen',
  },
  createText:
    'Er bekommt denselben Namen und dieselben Berechtigungen und wird ein einziges Mal in einem eigenen Fenster angezeigt.',
  createChoosing:
    'Er bekommt denselben Namen und die hier gewählten Berechtigungen und wird ein einziges Mal in einem eigenen Fenster angezeigt.',
  changeScopes: 'Berechtigungen ändern…',
  create: 'Neuen Schlüssel erstellen',
  elsewhere: 'Der neue Schlüssel ist in einem eigenen Fenster. Nach dem Kopieren oder Speichern geht es hier weiter.',
  uncertain: 'Es ist nicht bekannt, ob der neue Schlüssel erstellt wurde.',
  created: 'Erstellt: {{ago}}. Er beginnt mit {{prefix}}.',
  lost: 'Neuen Schlüssel verloren?',
  discard: 'Widerrufen und einen anderen erstellen…',
  programs: 'Den neuen Schlüssel brauchen die Programme, die den alten verwendet haben:',
  noPrograms:
    'Kein Programm hat den alten Schlüssel verwendet. Den neuen braucht das Programm, für das er gedacht ist.',
  unnamed: 'Ein Programm ohne Namen',
  usedOld: 'alter Schlüssel zuletzt verwendet: {{ago}}',
  usesNew: 'verwendet den neuen Schlüssel',
  morePrograms_one: 'und {{number}} weiteres',
  morePrograms_other: 'und {{number}} weitere',
  examples: 'So bekommt ein Programm ihn:',
  oldKey: 'Alter Schlüssel',
  newKey: 'Neuer Schlüssel',
  waiting: 'Noch keine Anfrage mit dem neuen Schlüssel.',
  oldInUse: 'Letzte Verwendung des alten Schlüssels: {{ago}}. Etwas braucht ihn noch.',
  oldInUseBy: 'Letzte Verwendung des alten Schlüssels: {{ago}}, von {{program}}. Etwas braucht ihn noch.',
  moved: 'Der neue Schlüssel wird verwendet, der alte seitdem nicht mehr.',
  someMoved_one:
    'Der alte Schlüssel wird seitdem nicht mehr verwendet, aber {{number}} Programm hat den neuen noch nicht verwendet. Es läuft vielleicht nur selten.',
  someMoved_other:
    'Der alte Schlüssel wird seitdem nicht mehr verwendet, aber {{number}} Programme haben den neuen noch nicht verwendet. Sie laufen vielleicht nur selten.',
  movedUnused: 'Der neue Schlüssel wird verwendet. Der alte wurde nie verwendet.',
  notYet: 'Besser erst widerrufen, wenn der neue Schlüssel verwendet wird und der alte nicht mehr.',
  notYetAll:
    'Besser erst widerrufen, wenn alle Programme oben den neuen Schlüssel verwenden; was nicht mehr in Gebrauch ist, zählt nicht.',
  revoke: 'Alten Schlüssel widerrufen…',
  finished: 'Der alte Schlüssel ist widerrufen. Der neue ist an seine Stelle getreten.',
  ended: 'Der Schlüssel wurde widerrufen, und kein anderer ist an seine Stelle getreten.',
  later: 'Später fortsetzen',
  continue: 'Erneuerung fortsetzen…',
  mark: {
    old: {
      brief: 'Wird ersetzt',
      full: 'Wird durch {{prefix}}… ersetzt',
      sentence: 'Wird durch {{prefix}}… ersetzt; beide funktionieren, bis dieser Schlüssel widerrufen wird.',
    },
    new: {
      brief: 'Ersatz',
      full: 'Ersetzt {{prefix}}…',
      sentence: 'Ersetzt {{prefix}}…; beide funktionieren, bis der andere widerrufen wird.',
    },
  },
} as const;
