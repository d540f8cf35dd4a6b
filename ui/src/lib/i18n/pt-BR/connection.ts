export const connection = {
  intro: 'Onde suas chaves ficam e como os programas chegam até elas.',
  here: 'Este computador',
  hereText: 'O serviço de chaves faz parte deste aplicativo: ele funciona enquanto o aplicativo está aberto.',
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
  copyPath: 'Copiar o caminho: {{file}}',
  pathCopied: 'O caminho foi copiado',
} as const;
