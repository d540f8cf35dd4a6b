export const outside = {
  stopped: {
    missing: {
      title: 'O banco de dados de chaves foi movido ou excluído',
      remedy:
        'As chaves existentes continuam funcionando, mas não é possível criar, renomear nem revogar chaves. Coloque o arquivo de volta ou tente novamente para usar o que está lá agora.',
    },
    replaced: {
      title: 'O banco de dados de chaves foi substituído por outro arquivo',
      remedy:
        'As chaves existentes continuam funcionando, mas não é possível criar, renomear nem revogar chaves. Tente novamente para usar o arquivo que está lá agora.',
    },
    overwritten: {
      title: 'Outro aplicativo sobrescreveu o banco de dados de chaves',
      remedy:
        'As chaves existentes continuam funcionando, mas não é possível criar, renomear nem revogar chaves. Tente novamente para usar o arquivo como está agora.',
    },
    shared: {
      title: 'Outro UL Keys está usando este banco de dados de chaves',
      remedy: 'O arquivo de bloqueio foi excluído. Feche o outro UL Keys para criar, renomear ou revogar chaves aqui.',
    },
  },
  file: 'Arquivo',
  saved: 'Seu banco de dados anterior foi salvo como',
  record: {
    title: 'As revogações não estão protegidas contra backups antigos no momento',
    text: 'Não foi possível gravar a lista de chaves revogadas que o UL Keys mantém fora do banco de dados. As chaves continuam revogadas, a menos que alguém restaure uma cópia antiga do banco de dados. O UL Keys continua tentando.',
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
    added_many: '{{keys}} de chaves adicionadas por outro aplicativo',
    added_other: '{{keys}} chaves adicionadas por outro aplicativo',
    removed_one: '{{keys}} chave removida por outro aplicativo',
    removed_many: '{{keys}} de chaves removidas por outro aplicativo',
    removed_other: '{{keys}} chaves removidas por outro aplicativo',
    renamed_one: '{{keys}} chave renomeada por outro aplicativo',
    renamed_many: '{{keys}} de chaves renomeadas por outro aplicativo',
    renamed_other: '{{keys}} chaves renomeadas por outro aplicativo',
    scopesChanged_one: 'Escopos de {{keys}} chave alterados por outro aplicativo',
    scopesChanged_many: 'Escopos de {{keys}} de chaves alterados por outro aplicativo',
    scopesChanged_other: 'Escopos de {{keys}} chaves alterados por outro aplicativo',
    secretChanged_one: 'Um aplicativo trocou {{keys}} chave por outra',
    secretChanged_many: 'Um aplicativo trocou {{keys}} de chaves por outras',
    secretChanged_other: 'Um aplicativo trocou {{keys}} chaves por outras',
    revoked_one: '{{keys}} chave revogada por outro aplicativo',
    revoked_many: '{{keys}} de chaves revogadas por outro aplicativo',
    revoked_other: '{{keys}} chaves revogadas por outro aplicativo',
    keptRevoked_one: '{{keys}} chave revogada foi reativada por outro aplicativo. O UL Keys a revogou novamente.',
    keptRevoked_many:
      '{{keys}} de chaves revogadas foram reativadas por outro aplicativo. O UL Keys as revogou novamente.',
    keptRevoked_other:
      '{{keys}} chaves revogadas foram reativadas por outro aplicativo. O UL Keys as revogou novamente.',
  },
} as const;
