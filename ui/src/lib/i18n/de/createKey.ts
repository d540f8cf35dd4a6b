export const createKey = {
  title: 'Schlüssel erstellen',
  intro: 'Ein Schlüssel für ein Programm.',
  name: 'Name',
  nameHint: 'Wo der Schlüssel verwendet wird.',
  suggestions: 'Vorschläge',
  nameInUse: 'Ein anderer Schlüssel heißt schon so: erlaubt, aber leicht zu verwechseln.',
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
  ability: {
    training: 'Trainings starten und ihre Messwerte übertragen',
    models: 'Modelle hochladen, herunterladen und löschen',
    datasets: 'Datensätze öffnen und ändern',
    read: 'alle Ressourcen lesen',
    write: 'alle Ressourcen lesen und ändern',
    admin: 'das Konto verwalten',
  },
  abilities: 'Dieser Schlüssel darf {{abilities, list}}.',
  create: 'Erstellen',
  creating: 'Der Schlüssel wird erstellt',
  failed: 'Der Schlüssel wurde nicht erstellt.',
  uncertain:
    'Es ist nicht bekannt, ob der Schlüssel erstellt wurde. Erscheint er in der Liste, bitte widerrufen: Vollständig lässt er sich nicht mehr anzeigen.',
} as const;
