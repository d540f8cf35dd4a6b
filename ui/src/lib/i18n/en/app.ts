export const app = {
  product: 'UL Keys',
  settings: 'Settings',
  sections: 'Settings sections',
  notifications: 'Notifications',
  justNow: 'just now',
  never: 'Never',
  cancel: 'Cancel',
  dismiss: 'Dismiss',
  copy: 'Copy',
  copied: 'Copied',
  tryAgain: 'Try again',
  nothingChanged: 'Nothing was changed.',
} as const;
