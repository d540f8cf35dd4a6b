export const failures = {
  UNAUTHORIZED: 'O serviço de chaves não aceitou este aplicativo. Reinicie o aplicativo e tente novamente.',
  FORBIDDEN: 'O serviço de chaves não permitiu isso.',
  RATE_LIMITED: 'O serviço de chaves está ocupado. Aguarde um momento e tente novamente.',
  VALIDATION_ERROR: 'O serviço de chaves não aceitou o que foi informado.',
  NOT_FOUND: 'Esta chave não existe mais.',
  METHOD_NOT_ALLOWED: 'O serviço de chaves não entendeu a requisição.',
  INTERNAL_ERROR: 'Ocorreu um erro no aplicativo.',
  DATABASE_BUSY: 'O banco de dados de chaves está em uso por outro programa. Nada foi alterado; tente novamente.',
  DATABASE_REPLACED:
    'O arquivo do banco de dados de chaves foi movido ou substituído. Nada foi alterado; veja a mensagem acima da lista.',
  STORAGE_FULL:
    'O disco com o banco de dados de chaves está cheio. Nada foi alterado. Libere espaço e tente novamente.',
  TRAINING_DATA_FULL:
    'Não há mais espaço para dados de treinamento. Exclua treinamentos ou libere espaço e tente novamente.',
  CONFLICT: 'O treinamento ainda está em execução. Cancele-o primeiro.',
  PORT_IN_USE: 'Outro programa usa esta porta. Escolha outra.',
  SERVICE_UNAVAILABLE: 'Não foi possível acessar o serviço de chaves.',
  CLIPBOARD_UNAVAILABLE: 'Não é possível usar a área de transferência. Nada foi copiado.',
  KEY_ON_SCREEN: 'Outra chave nova ainda está sendo exibida. Feche a janela dela primeiro.',
  KEYCHAIN_MISSING:
    'Este computador não tem um chaveiro que o aplicativo possa acessar. Inicie um (GNOME Keyring, KWallet ou KeePassXC) ou copie a chave.',
  KEYCHAIN_LOCKED: 'O chaveiro está bloqueado e não foi desbloqueado a tempo. Desbloqueie-o e tente novamente.',
  KEYCHAIN_REFUSED: 'A solicitação do chaveiro foi cancelada. Nada foi salvo.',
  KEYCHAIN_TAKEN: 'O chaveiro contém outra chave com este nome.',
  KEYCHAIN_AMBIGUOUS:
    'O chaveiro contém várias entradas com este nome, e o UL Keys não sabe qual delas substituir. Nada foi salvo. Exclua todas menos uma no aplicativo do seu chaveiro (como “Senhas e chaves” ou KeePassXC) e tente novamente.',
  KEYCHAIN_SILENT: 'O chaveiro não responde. Reinicie-o e tente novamente ou copie a chave.',
  KEYCHAIN_FAILED: 'O chaveiro não conseguiu salvar a chave.',
  ENV_FILE_FAILED: 'O arquivo não foi alterado.',
  EXPORT_FAILED: 'O arquivo não foi alterado.',
  SECRET_GONE: 'O aplicativo não tem mais esta chave. Revogue-a e crie uma nova.',
  SETTINGS_NOT_SAVED: 'Não foi possível salvar a configuração.',

  file: {
    mounted:
      'O arquivo está montado separadamente, por exemplo como volume de um contêiner, e por isso não pode ser substituído. Use o arquivo original ou edite este você mesmo.',
    protected:
      'O arquivo pertence a outro usuário ou está protegido contra alterações. Use outro arquivo ou fale com o proprietário.',
    notPermitted: 'Você não tem permissão para criar arquivos na pasta dele. Use outra pasta ou libere o acesso a ela.',
    unreadable:
      'Você não tem permissão para ler o arquivo, e as outras linhas dele se perderiam. Escolha outro arquivo.',
    readOnly: 'A unidade é somente leitura. Use uma pasta em outra unidade.',
    full: 'O disco está cheio ou a sua cota se esgotou. Libere espaço e tente novamente.',
    noFolder: 'A pasta dele não existe mais. Escolha outra pasta.',
    changed: 'Outro aplicativo acabou de alterar o arquivo. Escolha-o novamente.',
    notAFile: 'Isto não é um arquivo comum. Escolha outro nome.',
    tooLarge: 'O arquivo tem mais de 128 KiB, grande demais para um arquivo .env. Escolha outro arquivo.',
    notUtf8: 'O arquivo não está em UTF-8. Salve-o como UTF-8 em um editor ou escolha outro arquivo.',
    brokenLink:
      'O arquivo é um link para um lugar que não existe. Crie a pasta que falta, corrija o link ou escolha outro arquivo.',
    linkLoop: 'O arquivo é um link que aponta para si mesmo. Corrija o link ou escolha outro arquivo.',
    unclearLine:
      'Não é possível alterar a linha {{line}} sem colocar em risco outros valores do arquivo. Copie a chave e edite o arquivo você mesmo.',
    unclearUse:
      'A linha {{line}} usa {{variable}} de um modo que o UL Keys não entende. Copie a chave e edite o arquivo você mesmo.',
    otherCode:
      'A linha {{line}} talvez defina {{variable}} a partir de outro arquivo ou comando, e os programas podem não encontrar o novo valor. Copie a chave e edite o arquivo você mesmo.',
  },

  fileNotChanged: 'O arquivo não foi alterado: {{detail}}',
  refused: 'O serviço de chaves não aceitou isto: {{detail}}',
} as const;
