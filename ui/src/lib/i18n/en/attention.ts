export const attention = {
  title: 'Needs attention',
  label: {
    old: 'Old',
    neverUsed: 'Never used',
    unused: 'Unused',
    adminUnused: 'Admin unused',
  },
  sentence: {
    old_one: 'Created {{created}}, longer ago than your rotation period of {{days}} day.',
    old_other: 'Created {{created}}, longer ago than your rotation period of {{days}} days.',
    neverUsed: 'Created {{created}}, and never used since.',
    unused: 'Not used for more than 90 days. Last used: {{used}}.',
    adminUnused: 'Holds admin, and has not needed it for a month.',
  },
  step: {
    rotate: 'Rotate…',
    fewerScopes: 'Rotate with fewer scopes…',
    revoke: 'Revoke…',
  },
} as const;
