export const oneTime = {
  title: 'Copie sua chave',
  intro:
    'A chave completa para {{name, isolated}} é exibida somente esta vez, até que esta janela seja fechada ou minimizada ou a tela seja bloqueada. Copie-a ou salve-a agora.',
  key: 'Chave de API',
  noClipboard: 'Salve a chave de outra forma ou digite-a como aparece aqui.',
  copied: 'A chave foi copiada',
  copiedFor_one: 'A chave foi copiada. Ela sai da área de transferência após {{count}} segundo.',
  copiedFor_many: 'A chave foi copiada. Ela sai da área de transferência após {{count}} de segundos.',
  copiedFor_other: 'A chave foi copiada. Ela sai da área de transferência após {{count}} segundos.',
  address: 'Os programas encontram este serviço em',
  places: 'Ou coloque-a direto onde ela será usada',
  keychain: 'Salvar no chaveiro deste computador',
  keychainSaved: 'Salva no chaveiro deste computador como {{name, isolated}}. Inicie um programa com ela:',
  keychainTaken: 'O chaveiro já contém outra chave com o nome {{name, isolated}}. Substituí-la por esta?',
  replace: 'Substituir',
  envFile: 'Salvar como .env…',
  envFileTitle: 'Colocar a chave neste arquivo (as outras linhas permanecem)',
  envSaved: 'Salva, com leitura permitida somente a você, em',
  envReplaces_one: 'O arquivo já define {{names, list}}. Substituir essa linha? Todas as outras permanecem como estão.',
  envReplaces_many:
    'O arquivo já define {{names, list}}. Substituir essas linhas? Todas as outras permanecem como estão.',
  envReplaces_other:
    'O arquivo já define {{names, list}}. Substituir essas linhas? Todas as outras permanecem como estão.',
  saveAnyway: 'Salvar mesmo assim',
  gitRisk: {
    notIgnored:
      'O Git não ignora este arquivo: ele poderia entrar em um commit, e a chave seria publicada com ele. Adicione-o primeiro ao .gitignore.',
    unknown:
      'Esta pasta pertence a um repositório Git que não pôde ser lido. Certifique-se de que o arquivo não entre em um commit.',
  },
  elsewhere: 'Sua nova chave está em uma janela própria',
  elsewhereText: 'Copie ou salve lá a chave para {{name, isolated}}. Ela é exibida somente esta vez.',
  showWindow: 'Mostrar a janela',
  gone: 'Esta chave não pode mais ser exibida',
  lost: {
    hidden: 'A chave para {{name, isolated}} não é mais exibida: a janela dela foi minimizada.',
    locked: 'A chave para {{name, isolated}} não é mais exibida: a tela foi bloqueada.',
    interrupted: 'A janela com a chave para {{name, isolated}} foi fechada inesperadamente.',
  },
  lostRemedy: 'Ela funciona, mas ninguém a tem, pois não foi copiada nem salva. Revogue-a e crie outra.',
  done: 'Concluído',
  notCopied: 'A chave ainda não foi copiada nem salva.',
  replaced: 'A chave não está mais na área de transferência. Se ela ainda não está no lugar certo, copie-a novamente.',
  consequence: 'Ela não pode ser exibida novamente: você teria que revogá-la e criar outra.',
  keepOpen: 'Manter aberta',
  closeAnyway: 'Fechar mesmo assim',
} as const;
