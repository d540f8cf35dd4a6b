export const clipboard = {
  about: 'Área de transferência',
  stays_one: 'Uma chave copiada sai da área de transferência após {{count}} segundo.',
  stays_many: 'Uma chave copiada sai da área de transferência após {{count}} segundos.',
  stays_other: 'Uma chave copiada sai da área de transferência após {{count}} segundos.',
  clearsIn_one: 'Na área de transferência por mais {{count}} segundo',
  clearsIn_many: 'Na área de transferência por mais {{count}} segundos',
  clearsIn_other: 'Na área de transferência por mais {{count}} segundos',
  overdue:
    'A chave não pôde ser removida da área de transferência. O aplicativo continua tentando; copiar outra coisa também a remove.',
  checking: 'Limpando a área de transferência…',
  removedAgain:
    'Outro aplicativo colocou a chave de volta na área de transferência. O UL Keys a removeu novamente, mas esse aplicativo ainda pode ter uma cópia. Limpe o histórico dele.',
  putBack:
    'Outro aplicativo continua colocando a chave de volta na área de transferência. Exclua a chave do histórico do seu gerenciador de área de transferência.',
  clearNow: 'Limpar agora',
  cleared: 'A chave não está mais na área de transferência',
} as const;
