export const problem = {
  portUsedBy: 'A porta {{port}} está em uso por “{{name, isolated}}” (processo {{pid}})',
  portUsed: 'A porta {{port}} está em uso por outro programa',
  portRemedy: 'Feche esse programa e tente novamente, ou deixe o serviço de chaves usar outra porta.',
  portExposure:
    'Programas que usam este endereço podem ter enviado suas chaves a esse programa. Se você não o conhece, revogue as chaves usadas nesse período.',
  portNote: 'Com a porta {{port}}, os programas que receberam o endereço antigo precisam receber o novo.',
  usePort: 'Usar a porta {{port}}',
  database: {
    locked: {
      title: 'O banco de dados de chaves está em uso por outro programa',
      remedy: 'Feche o outro programa, ou a outra janela deste aplicativo, e tente novamente.',
    },
    readOnly: {
      title: 'Não é possível gravar no banco de dados de chaves',
      remedy: 'Permita que a sua conta de usuário grave neste arquivo e na pasta dele e tente novamente.',
    },
    corrupt: {
      title: 'O banco de dados de chaves está danificado',
      remedy:
        'Mova keys.db e, se existir, keys.db-wal para outro lugar. Depois, coloque um backup no lugar deles ou tente novamente para começar com uma lista vazia.',
    },
    newer: {
      title: 'O banco de dados de chaves pertence a uma versão mais nova deste aplicativo',
      remedy: 'Instale a versão mais nova do aplicativo e abra-o novamente.',
    },
    foreign: {
      title: 'Este arquivo pertence a outro programa',
      remedy:
        'Mova keys.db e, se existir, keys.db-wal para outro lugar, para que o aplicativo possa criar o seu. Depois, tente novamente.',
    },
    replaced: {
      title: 'O banco de dados de chaves foi movido, substituído ou sobrescrito',
      remedy:
        'Coloque o arquivo de volta ou tente novamente para usar o arquivo que está lá agora. Se não houver nenhum, a lista começa vazia e as chaves existentes deixam de funcionar.',
    },
    lockingUnsupported: {
      title: 'O disco com o banco de dados de chaves não oferece bloqueio de arquivos',
      remedy:
        'Sem bloqueio de arquivos, dois serviços de chaves poderiam sobrescrever as alterações um do outro. Muitas unidades de rede não têm esse recurso. Mova a pasta deste arquivo para um disco local, ou indique uma pasta nele com UL_KEYS_DATA_DIR, e reinicie o aplicativo.',
    },
    full: {
      title: 'O disco com o banco de dados de chaves está cheio',
      remedy: 'Libere espaço no disco com este arquivo e tente novamente.',
    },
    unavailable: {
      title: 'Não é possível abrir o banco de dados de chaves',
      remedy:
        'Verifique se o disco está conectado e permite o acesso da sua conta de usuário. Depois, tente novamente.',
    },
  },
  file: 'Arquivo',
  detail: 'Detalhe técnico: {{text}}',
  stopped: 'O serviço de chaves parou',
  stoppedRemedy:
    'Os programas não podem usar suas chaves até que ele volte a funcionar. As chaves em si estão seguras.',
} as const;
