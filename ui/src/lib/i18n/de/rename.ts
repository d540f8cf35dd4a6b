export const rename = {
  title: '{{name, isolated}} umbenennen',
  intro: 'Nur der Name ändert sich. Programme, die den Schlüssel verwenden, merken davon nichts.',
  save: 'Speichern',
  renamed: 'Der Schlüssel heißt jetzt {{name, isolated}}',
  failed: 'Der Schlüssel wurde nicht umbenannt.',
  uncertain: 'Es ist nicht bekannt, ob der Schlüssel umbenannt wurde.',
} as const;
