export const about = {
  title: 'Sobre o UL Keys',
  version: 'Versão {{version}}',
  license: 'O UL Keys é software livre. Você pode usá-lo sob a licença MIT ou a licença Apache 2.0, como preferir.',
  packages: 'Pacotes de terceiros ({{number}})',
  noText: 'O pacote não contém um texto de licença.',
  failed: 'Não foi possível carregar as licenças',
  close: 'Fechar',
} as const;
