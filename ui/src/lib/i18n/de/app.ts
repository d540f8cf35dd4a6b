export const app = {
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
} as const;
