export const attention = {
  label: {
    old: 'Antiga',
    neverUsed: 'Nunca usada',
    unused: 'Sem uso',
    adminUnused: 'Admin sem uso',
  },
  sentence: {
    old_one: 'Criada: {{created}}. Isso passa do seu período de rotação de {{days}} dia.',
    old_many: 'Criada: {{created}}. Isso passa do seu período de rotação de {{days}} de dias.',
    old_other: 'Criada: {{created}}. Isso passa do seu período de rotação de {{days}} dias.',
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
