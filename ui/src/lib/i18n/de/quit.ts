export const quit = {
  title: 'UL Keys beenden?',
  intro_one: '{{number}} Training sendet noch Daten an UL Keys.',
  intro_other: '{{number}} Trainings senden noch Daten an UL Keys.',
  more_one: 'und {{number}} weiteres',
  more_other: 'und {{number}} weitere',
  effect_one:
    'Es läuft weiter, aber was es sendet, geht verloren, bis Sie UL Keys wieder öffnen. Endet es vorher, fehlen seine Ergebnisse, und sein Checkpoint wird nicht hochgeladen.',
  effect_other:
    'Sie laufen weiter, aber was sie senden, geht verloren, bis Sie UL Keys wieder öffnen. Endet eines vorher, fehlen seine Ergebnisse, und sein Checkpoint wird nicht hochgeladen.',
  keepOpen: 'Offen lassen',
  quit: 'Beenden',
} as const;
