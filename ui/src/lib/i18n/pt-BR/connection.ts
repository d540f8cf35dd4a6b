export const connection = {
  intro: 'Onde suas chaves ficam e como os programas chegam até elas.',
  here: 'Este computador',
  hereText: 'O serviço de chaves faz parte deste aplicativo: ele funciona enquanto o aplicativo está aberto.',
  hereAttached:
    'O serviço de chaves é executado por conta própria (“ul-keys serve”). Ele continua em execução quando você fecha este aplicativo.',
  hereAsks: 'Ao fechar a janela, o UL Keys pergunta se o serviço de chaves continua em execução.',
  hereKeepsRunning:
    'O serviço de chaves continua em execução quando você fecha esta janela. “Arquivo > Sair” o encerra.',
  closing: 'Ao fechar a janela',
  closingHint:
    'Os programas só podem usar suas chaves enquanto o serviço de chaves está em execução. “Arquivo > Sair” sempre o encerra.',
  closings: { ask: 'Perguntar', keepRunning: 'Manter em segundo plano', quit: 'Sair' },
  atLogin: 'Ao iniciar a sessão',
  atLoginHint: 'Suas chaves funcionam assim que você inicia a sessão neste computador, antes de abrir uma janela.',
  atLoginLabel: 'Iniciar o serviço de chaves ao iniciar a sessão',
  address: 'Endereço',
  programs: 'Direcione os programas para cá',
  shell: 'bash e zsh',
  powerShell: 'PowerShell',
  copyPowerShell: 'Copiar a linha do endereço para o PowerShell',
  loopback: 'Somente programas deste computador acessam este endereço. De qualquer outro lugar, ele é inacessível.',
  places: 'Arquivos',
  placesText:
    'O banco de dados guarda nomes, escopos e horários das suas chaves e uma impressão digital de cada chave, nunca a chave em si.',
  files: { database: 'Banco de dados de chaves', settings: 'Configurações', logs: 'Registros' },
  settingsProblem: {
    unreadable:
      'Este arquivo não pode ser lido; por isso, valem as configurações padrão: {{reason}}. O que você corrigir nele vale a partir da próxima inicialização.',
    replaced:
      'Este arquivo não pôde ser lido. Antes que uma configuração fosse alterada, ele foi copiado para {{copy}}',
    ignored:
      'Estas configurações do arquivo não têm efeito. Valores corrigidos valem a partir da próxima inicialização.',
  },
  ignoredReason: {
    unknown: 'essa configuração não existe',
    notInRange: 'deve ser um número inteiro de {{least}} a {{most}}',
    notInRangeOrNull: 'deve ser um número inteiro de {{least}} a {{most}} ou null',
    notAChoice: 'deve ser {{choices, list(type: disjunction)}}',
    notAGroup: 'deve ser um objeto: { … }',
  },
  notMoved: {
    olderVersionRuns:
      'Uma versão mais antiga do UL Keys está em execução. Os arquivos dela ficam em {{from}} até você encerrar a versão antiga e reiniciar esta.',
    bothInUse:
      'Há arquivos em {{from}} e em {{to}}. Somente a segunda pasta é usada. Para usar as chaves da primeira, encerre o UL Keys, mova a segunda pasta para outro lugar e inicie de novo.',
    cannotMove: 'Os arquivos ficam em {{from}} porque não podem ser movidos para {{to}}: {{reason}}',
  },
  copyPath: 'Copiar o caminho: {{file}}',
  pathCopied: 'O caminho foi copiado',
} as const;
