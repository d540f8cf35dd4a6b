export const attention = {
  title: 'Requer atenção',
  label: {
    old: 'Antiga',
    neverUsed: 'Nunca usada',
    unused: 'Sem uso',
    adminUnused: 'Admin sem uso',
  },
  sentence: {
    old_one: 'Criada: {{created}}. Isso passa do seu período de rotação de {{days}} dia.',
    old_many: 'Criada: {{created}}. Isso passa do seu período de rotação de {{days}} dias.',
    old_other: 'Criada: {{created}}. Isso passa do seu período de rotação de {{days}} dias.',
    neverUsed: 'Criada: {{created}}. Nunca foi usada desde então.',
    unused: 'Sem uso há mais de 90 dias. Último uso: {{used}}.',
    adminUnused: 'Tem o escopo admin e não precisou dele no último mês.',
  },
  step: {
    rotate: 'Rotacionar…',
    fewerScopes: 'Rotacionar com menos escopos…',
    revoke: 'Revogar…',
  },
} as const;
