export const revoke = {
  title: '{{name, isolated}} widerrufen?',
  effect:
    'Programme, die diesen Schlüssel verwenden, verlieren sofort den Zugang. Das lässt sich nicht rückgängig machen.',
  prefix: 'Beginnt mit',
  confirm: 'Schlüssel widerrufen',
  leftInKeychain:
    'Der widerrufene Schlüssel {{name, isolated}} ist noch im Schlüsselbund dieses Computers, der gesperrt oder nicht erreichbar ist. Er wird beim nächsten Start der App entfernt.',
  revoked: '{{name, isolated}} wurde widerrufen',
  elsewhere: '{{name, isolated}} war bereits an anderer Stelle widerrufen worden',
  failed: 'Der Schlüssel wurde nicht widerrufen und funktioniert weiterhin.',
  uncertain: 'Es ist nicht bekannt, ob der Schlüssel widerrufen wurde. Zur Sicherheit erneut versuchen.',
} as const;
