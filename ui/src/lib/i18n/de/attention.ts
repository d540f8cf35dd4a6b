export const attention = {
  label: {
    old: 'Alt',
    neverUsed: 'Nie verwendet',
    unused: 'Ungenutzt',
    adminUnused: 'Admin ungenutzt',
  },
  sentence: {
    old: 'Erstellt {{created}}, länger her als die eingestellten {{days}} Tage.',
    neverUsed: 'Nie verwendet, seit er erstellt wurde: {{created}}.',
    unused: 'Zuletzt verwendet {{used}}.',
    adminUnused: 'Hat admin und hat es seit einem Monat nicht gebraucht.',
  },
  step: {
    rotate: 'Erneuern…',
    fewerScopes: 'Mit weniger Berechtigungen erneuern…',
    revoke: 'Widerrufen…',
  },
} as const;
