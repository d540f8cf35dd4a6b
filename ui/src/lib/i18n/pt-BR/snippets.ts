export const snippets = {
  languages: 'Exemplos',
  language: {
    keychain: 'Chaveiro',
    shell: 'bash, zsh',
    powerShell: 'PowerShell',
    python: 'Python',
    curl: 'curl',
    yolo: 'yolo train',
  },
  copy: 'Copiar o exemplo',
  copied: 'O exemplo foi copiado',
  withKey: 'Ou copie um exemplo com a chave',
  withKeyInHistory:
    'Executada assim, a chave fica no histórico do shell. Isso não acontece se o programa a obtém do chaveiro ou de um arquivo .env.',
  withKeyInFile:
    'Quem puder ler o arquivo do programa poderá usar a chave. É melhor obtê-la do chaveiro ou de um arquivo .env.',
  noProxy: 'O exemplo ignora qualquer proxy; caso contrário, o proxy veria a chave.',
  use: 'Usar {{name, isolated}}',
  useText: 'A chave completa foi exibida uma única vez e não fica armazenada aqui. A sua começa com {{prefix}}.',
  note: {
    saved: 'Este aplicativo salvou a chave no chaveiro deste computador. O programa a obtém de lá.',
    asks: 'Pede a chave. O que você cola não é exibido e não vai para o histórico do shell.',
    asksAtStart: 'Pede a chave quando o programa inicia. Onde a variável já está definida, essa linha é dispensável.',
    reads: 'Lê a chave da variável ULTRALYTICS_API_KEY. Os outros exemplos mostram como defini-la.',
  },
  lost: 'Se ninguém mais tem a chave completa, rotacione-a: uma chave nova toma o lugar dela.',
  close: 'Fechar',
} as const;
