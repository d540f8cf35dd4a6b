export const outside = {
  stopped: {
    missing: {
      title: 'O banco de dados de chaves foi movido ou excluído',
      remedy:
        'As chaves existentes continuam funcionando, mas não é possível criar, renomear nem revogar chaves. Coloque o arquivo de volta. Se, em vez disso, você escolher “Tentar novamente”, a lista começa vazia e as chaves existentes deixam de funcionar.',
      remedyAttached:
        'As chaves existentes continuam funcionando, mas não é possível criar, renomear nem revogar chaves. Coloque o arquivo de volta. Se, em vez disso, você reiniciar o “ul-keys serve”, a lista começa vazia e as chaves existentes deixam de funcionar.',
    },
    replaced: {
      title: 'O banco de dados de chaves foi substituído por outro arquivo',
      remedy:
        'As chaves existentes continuam funcionando, mas não é possível criar, renomear nem revogar chaves. Tente novamente para usar o arquivo que está lá agora.',
      remedyAttached:
        'As chaves existentes continuam funcionando, mas não é possível criar, renomear nem revogar chaves. Reinicie o “ul-keys serve” para usar o arquivo que está lá agora.',
    },
    overwritten: {
      title: 'Outro aplicativo sobrescreveu o banco de dados de chaves',
      remedy:
        'As chaves existentes continuam funcionando, mas não é possível criar, renomear nem revogar chaves. Tente novamente para usar o arquivo como está agora.',
      remedyAttached:
        'As chaves existentes continuam funcionando, mas não é possível criar, renomear nem revogar chaves. Reinicie o “ul-keys serve” para usar o arquivo como está agora.',
    },
    shared: {
      title: 'Outra instância do UL Keys está usando este banco de dados de chaves',
      remedy:
        'O arquivo de bloqueio do banco de dados foi excluído. Feche a outra instância para criar, renomear ou revogar chaves aqui.',
      remedyAttached:
        'O arquivo de bloqueio do banco de dados foi excluído. Feche a outra instância e reinicie o “ul-keys serve” para criar, renomear ou revogar chaves aqui.',
    },
  },
  file: 'Arquivo',
  saved: 'Seu banco de dados anterior foi salvo como',
  full: {
    title: 'O disco com o banco de dados de chaves está cheio',
    text: 'As chaves existentes continuam funcionando e podem ser revogadas, mas não é possível criar nem renomear chaves. Libere espaço no disco com esta pasta. Depois disso, o UL Keys volta a funcionar normalmente sem nenhuma ação sua e salva os dados de uso que mantém na memória.',
    folder: 'Pasta',
  },
  record: {
    title: 'As revogações não estão protegidas contra backups antigos no momento',
    text: 'Não foi possível usar a lista de chaves revogadas que fica fora do banco de dados. Até que isso seja corrigido, restaurar uma cópia antiga do banco de dados pode fazer com que chaves revogadas voltem a funcionar.',
  },
  detail: 'Detalhe técnico: {{text}}',
  changed: 'Outro aplicativo alterou seu banco de dados de chaves',
  activity: 'Ver atividade',
  renamedFrom: 'Renomeada por outro aplicativo: de {{before, isolated}} para {{after, isolated}}',
  scopesFrom: 'Escopos alterados por outro aplicativo: de {{before}} para {{after}}',
  event: {
    whileClosed:
      'Chaves foram alteradas enquanto o UL Keys estava fechado. Verifique se você reconhece todas as chaves da lista.',
    recordLost: 'A lista de chaves revogadas não foi encontrada. O UL Keys a recriou a partir do banco de dados.',
    recordReplaced: 'A lista de chaves revogadas foi trocada por outra. O UL Keys adicionou as entradas que faltavam.',
    recordDamaged: 'A lista de chaves revogadas foi encurtada ou editada. O UL Keys a recriou.',
  },
  change: {
    added_one: '{{keys}} chave adicionada por outro aplicativo',
    added_many: '{{keys}} chaves adicionadas por outro aplicativo',
    added_other: '{{keys}} chaves adicionadas por outro aplicativo',
    removed_one: '{{keys}} chave removida por outro aplicativo',
    removed_many: '{{keys}} chaves removidas por outro aplicativo',
    removed_other: '{{keys}} chaves removidas por outro aplicativo',
    renamed_one: '{{keys}} chave renomeada por outro aplicativo',
    renamed_many: '{{keys}} chaves renomeadas por outro aplicativo',
    renamed_other: '{{keys}} chaves renomeadas por outro aplicativo',
    scopesChanged_one: 'Escopos de {{keys}} chave alterados por outro aplicativo',
    scopesChanged_many: 'Escopos de {{keys}} chaves alterados por outro aplicativo',
    scopesChanged_other: 'Escopos de {{keys}} chaves alterados por outro aplicativo',
    secretChanged_one: 'Outro aplicativo trocou {{keys}} chave por outra',
    secretChanged_many: 'Outro aplicativo trocou {{keys}} chaves por outras',
    secretChanged_other: 'Outro aplicativo trocou {{keys}} chaves por outras',
    revoked_one: '{{keys}} chave revogada por outro aplicativo',
    revoked_many: '{{keys}} chaves revogadas por outro aplicativo',
    revoked_other: '{{keys}} chaves revogadas por outro aplicativo',
    keptRevoked_one: '{{keys}} chave revogada foi reativada por outro aplicativo. O UL Keys a revogou novamente.',
    keptRevoked_many:
      '{{keys}} chaves revogadas foram reativadas por outro aplicativo. O UL Keys as revogou novamente.',
    keptRevoked_other:
      '{{keys}} chaves revogadas foram reativadas por outro aplicativo. O UL Keys as revogou novamente.',
  },
} as const;
