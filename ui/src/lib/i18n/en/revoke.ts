export const revoke = {
  title: 'Revoke {{name, isolated}}?',
  effect: 'Programs that use this key stop working at once. This cannot be undone.',
  prefix: 'Begins with',
  confirm: 'Revoke key',
  leftInKeychain:
    'The revoked key {{name, isolated}} is still in this computer’s keychain, which is locked or cannot be reached. It will be removed when the app starts again.',
  revoked: '{{name, isolated}} was revoked',
  elsewhere: '{{name, isolated}} had already been revoked elsewhere',
  failed: 'The key was not revoked and still works.',
  uncertain: 'It is not known whether the key was revoked. Try again to be sure.',
} as const;
