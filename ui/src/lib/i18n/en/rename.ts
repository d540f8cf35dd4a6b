export const rename = {
  title: 'Rename {{name, isolated}}',
  intro: 'Only the name changes. Programs that use the key notice nothing.',
  save: 'Save',
  renamed: 'The key is now called {{name, isolated}}',
  failed: 'The key was not renamed.',
  uncertain: 'It is not known whether the key was renamed.',
} as const;
