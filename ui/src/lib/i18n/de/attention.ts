export const attention = {
  label: {
    old: 'Alt',
    neverUsed: 'Nie verwendet',
    unused: 'Ungenutzt',
    adminUnused: 'Admin unnötig',
  },
  sentence: {
    old_one: 'Erstellt: {{created}}. Das ist länger her als die eingestellte Frist von {{days}} Tag.',
    old_other: 'Erstellt: {{created}}. Das ist länger her als die eingestellte Frist von {{days}} Tagen.',
    neverUsed: 'Nie verwendet, seit er erstellt wurde: {{created}}.',
    unused: 'Zuletzt verwendet: {{used}}.',
    adminUnused: 'Hat admin und hat es seit einem Monat nicht gebraucht.',
  },
  step: {
    rotate: 'Erneuern…',
    fewerScopes: 'Mit weniger Berechtigungen erneuern…',
    revoke: 'Widerrufen…',
  },
} as const;
