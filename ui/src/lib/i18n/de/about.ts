export const about = {
  title: 'Über UL Keys',
  version: 'Version {{version}}',
  license:
    'UL Keys ist freie Software. Sie können es wahlweise unter der MIT-Lizenz oder der Apache-Lizenz 2.0 nutzen.',
  packages: 'Pakete von Drittanbietern ({{number}})',
  noText: 'Das Paket enthält keinen Lizenztext.',
  failed: 'Die Lizenzen konnten nicht geladen werden',
  close: 'Schließen',
} as const;
