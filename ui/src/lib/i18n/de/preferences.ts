export const preferences = {
  intro: 'Jede Änderung wirkt sofort.',
  saved: 'Gespeichert',
  system: 'Wie das System',
  language: 'Sprache',
  languageHint: 'Der Fenster, des Menüs und der Meldungen.',
  theme: 'Darstellung',
  themes: { system: 'Wie das System', light: 'Hell', dark: 'Dunkel' },
  textSize: 'Textgröße',
  textSizeHint: 'Auch mit {{keys}}.',
  clipboard: 'Zwischenablage leeren',
  clipboardHint:
    'Nach dieser Zeit wird ein kopierter Schlüssel aus der Zwischenablage entfernt, falls er noch dort ist.',
  clipboardNever:
    'Ein kopierter Schlüssel bleibt dann in der Zwischenablage, bis etwas anderes kopiert wird. So lange kann ihn dort jedes Programm auf diesem Computer lesen.',
  rotation: 'Frist zum Erneuern',
  rotationHint: 'Ein Schlüssel, der älter ist, erscheint unter „Zu prüfen“. Er funktioniert weiterhin.',
  runs: 'Trainings löschen nach',
  runsHint:
    'Trainings, von denen so lange keine Meldung kam, werden mit Ergebnissen und Checkpoint gelöscht. Eine Änderung wirkt innerhalb von zwei Stunden.',
  seconds_one: '{{count}} Sekunde',
  seconds_other: '{{count}} Sekunden',
  days_one: '{{count}} Tag',
  days_other: '{{count}} Tage',
  other: 'Andere',
  otherSeconds: 'Sekunden',
  otherDays: 'Tage',
  bounds: 'Eine ganze Zahl von {{least}} bis {{most}}.',
} as const;
