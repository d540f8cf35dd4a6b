export const attention = {
  label: {
    old: 'Antiga',
    neverUsed: 'Nunca usada',
    unused: 'Sem uso',
    adminUnused: 'Admin sem uso',
  },
  sentence: {
    old: 'Criada {{created}}, há mais tempo que o seu período de rotação de {{days}} dias.',
    neverUsed: 'Nunca usada desde que foi criada: {{created}}.',
    unused: 'Último uso: {{used}}.',
    adminUnused: 'Tem admin e não precisou dele no último mês.',
  },
  step: {
    rotate: 'Rotacionar…',
    fewerScopes: 'Rotacionar com menos escopos…',
    revoke: 'Revogar…',
  },
} as const;
