export const about = {
  title: 'About UL Keys',
  version: 'Version {{version}}',
  license:
    'UL Keys is free software. You may use it under the MIT License or the Apache License 2.0, whichever you prefer.',
  packages: 'Third-party packages ({{number}})',
  noText: 'The package contains no license text.',
  failed: 'Couldn’t load the licenses',
  close: 'Close',
} as const;
