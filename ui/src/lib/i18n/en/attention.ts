export const attention = {
  label: {
    old: 'Old',
    neverUsed: 'Never used',
    unused: 'Unused',
    adminUnused: 'Admin unused',
  },
  sentence: {
    old_one: 'Made {{created}}, longer ago than your rotation period of {{days}} day.',
    old_other: 'Made {{created}}, longer ago than your rotation period of {{days}} days.',
    neverUsed: 'Never used since it was made {{created}}.',
    unused: 'Last used {{used}}.',
    adminUnused: 'Holds admin, and has not needed it for a month.',
  },
  step: {
    rotate: 'Rotate…',
    fewerScopes: 'Rotate with fewer scopes…',
    revoke: 'Revoke…',
  },
} as const;
