export const failures = {
  UNAUTHORIZED: 'O serviço de chaves não aceitou este aplicativo. Reinicie o aplicativo e tente novamente.',
  FORBIDDEN: 'O serviço de chaves não permitiu isso.',
  RATE_LIMITED: 'O serviço de chaves está ocupado. Aguarde um momento e tente novamente.',
  VALIDATION_ERROR: 'O serviço de chaves não aceitou o que foi informado.',
  NOT_FOUND: 'Esta chave não existe mais.',
  METHOD_NOT_ALLOWED: 'O serviço de chaves não entendeu a requisição.',
  INTERNAL_ERROR: 'Ocorreu um erro no aplicativo.',
  DATABASE_BUSY: 'O banco de dados de chaves está em uso por outro programa. Nada foi alterado; tente novamente.',
  PORT_IN_USE: 'Outro programa usa esta porta. Escolha outra.',
  SERVICE_UNAVAILABLE: 'Não foi possível acessar o serviço de chaves.',
  CLIPBOARD_UNAVAILABLE:
    'Não é possível usar a área de transferência. Salve a chave de outra forma ou digite-a como aparece aqui.',
  KEY_ON_SCREEN: 'Outra chave nova ainda está sendo exibida. Feche a janela dela primeiro.',
  KEYCHAIN_MISSING:
    'Este computador não tem um chaveiro que o aplicativo possa acessar. Inicie um (GNOME Keyring, KWallet ou KeePassXC) ou copie a chave.',
  KEYCHAIN_LOCKED: 'O chaveiro está bloqueado e não foi desbloqueado a tempo. Desbloqueie-o e tente novamente.',
  KEYCHAIN_REFUSED: 'A pergunta do chaveiro foi fechada sem resposta. Nada foi salvo.',
  KEYCHAIN_TAKEN: 'O chaveiro contém outra chave com este nome.',
  KEYCHAIN_FAILED: 'O chaveiro não conseguiu salvar a chave.',
  ENV_FILE_FAILED: 'O arquivo não foi alterado.',
  EXPORT_FAILED: 'O arquivo não foi alterado.',
  SECRET_GONE: 'O aplicativo não tem mais esta chave. Revogue-a e crie uma nova.',
  SETTINGS_NOT_SAVED: 'Não foi possível salvar a configuração.',

  fileNotChanged: 'O arquivo não foi alterado: {{detail}}',
  refused: 'O serviço de chaves não aceitou isto: {{detail}}',
} as const;
