export const scopes = {
  training: 'Start training, stream metrics',
  models: 'Upload, download, delete models',
  datasets: 'Access and modify datasets',
  read: 'Read-only access to all resources',
  write: 'Full write access, reading included',
  admin: 'Account management; use with care',
} as const;
