export const attention = {
  title: 'Zu prüfen',
  label: {
    old: 'Alt',
    neverUsed: 'Nie verwendet',
    unused: 'Ungenutzt',
    adminUnused: 'Admin ungenutzt',
  },
  sentence: {
    old_one: 'Erstellt: {{created}}. Das ist länger her als die Frist zum Erneuern von {{days}} Tag.',
    old_other: 'Erstellt: {{created}}. Das ist länger her als die Frist zum Erneuern von {{days}} Tagen.',
    neverUsed: 'Erstellt: {{created}}. Seitdem nie verwendet.',
    unused: 'Seit mehr als 90 Tagen nicht verwendet. Letzte Verwendung: {{used}}.',
    adminUnused: 'Hat die Berechtigung admin, hat sie aber seit einem Monat nicht gebraucht.',
  },
  step: {
    rotate: 'Erneuern…',
    fewerScopes: 'Mit weniger Berechtigungen erneuern…',
    revoke: 'Widerrufen…',
  },
} as const;
