export const quit = {
  title: 'UL Keys beenden?',
  keepTitle: 'Sollen Ihre Schlüssel weiter funktionieren?',
  keepIntro:
    'Programme können Ihre Schlüssel nur verwenden, solange UL Keys läuft. UL Keys kann im Hintergrund weiterlaufen, wenn Sie dieses Fenster schließen.',
  keepEffect: 'Um UL Keys später zu beenden, öffnen Sie es erneut, und wählen Sie „Datei > Beenden“.',
  runs_one: '{{number}} Training sendet noch Daten an UL Keys.',
  runs_other: '{{number}} Trainings senden noch Daten an UL Keys.',
  keys_one: '{{number}} Schlüssel wurde in den letzten fünf Minuten verwendet.',
  keys_other: '{{number}} Schlüssel wurden in den letzten fünf Minuten verwendet.',
  keepLost_one: 'Wenn Sie UL Keys beenden, geht verloren, was es sendet.',
  keepLost_other: 'Wenn Sie UL Keys beenden, geht verloren, was sie senden.',
  otherKeys_one: '{{number}} weiterer Schlüssel wurde in den letzten fünf Minuten verwendet.',
  otherKeys_other: '{{number}} weitere Schlüssel wurden in den letzten fünf Minuten verwendet.',
  more_one: 'und {{number}} weiteres',
  more_other: 'und {{number}} weitere',
  moreKeys_one: 'und {{number}} weiterer',
  moreKeys_other: 'und {{number}} weitere',
  effect_one:
    'Es läuft weiter, aber was es sendet, geht verloren, bis Sie UL Keys wieder öffnen. Endet es vorher, fehlen seine Ergebnisse, und sein Checkpoint wird nicht hochgeladen.',
  effect_other:
    'Sie laufen weiter, aber was sie senden, geht verloren, bis Sie UL Keys wieder öffnen. Endet eines vorher, fehlen seine Ergebnisse, und sein Checkpoint wird nicht hochgeladen.',
  keysEffect: 'Nach dem Beenden können Programme Ihre Schlüssel erst wieder verwenden, wenn Sie UL Keys öffnen.',
  remember: 'Auswahl merken',
  rememberHint: 'Sie können das unter „Verbindung“ ändern.',
  keepOpen: 'Offen lassen',
  keepRunning: 'Weiterlaufen lassen',
  quit: 'Beenden',
} as const;
