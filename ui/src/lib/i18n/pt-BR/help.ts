export const help = {
  intro: 'Descubra por que uma chave é recusada e como cuidar bem das chaves.',

  check: 'Verificar uma chave',
  checkText:
    'Cole uma chave, um comando que falha ou o que ele exibiu. Você fica sabendo qual é a causa e o que fazer.',
  field: 'Chave, comando ou mensagem de erro',
  placeholder: 'Cole aqui',
  privacy: 'O que você cola não é guardado. Só a chave e a requisição contidas no texto vão para o serviço de chaves.',
  forgotten: 'O texto colado foi removido após dois minutos.',
  found: 'Encontrado no texto',
  clear: 'Limpar',
  answer: 'Resposta',
  chip: {
    key: 'Chave {{begin}}',
    brokenKey: 'Chave ilegível',
    request: 'Requisição {{request}}',
    server: 'Servidor {{server}}',
  },
  createKey: 'Criar chave…',
  showKey: 'Mostrar na lista',

  server: {
    title: 'Isto fala com {{server}}, não com este serviço',
    text: 'Lá, as chaves deste serviço são desconhecidas. Defina esta linha onde o programa é executado ou use este endereço no comando.',
  },
  slip: {
    placeholder: {
      title: 'Isto é um marcador de exemplo, não uma chave',
      text: 'Nos exemplos, ele fica no lugar da sua própria chave. Coloque sua chave no lugar dele.',
    },
    sample: {
      title: 'Isto é o exemplo da documentação, não uma chave',
      text: 'Ele tem letras depois de f, que nenhuma chave real tem. Coloque uma chave sua no lugar dele.',
    },
    shortened: {
      title: 'Isto é só o começo de uma chave',
      text: 'A lista o mostra para você distinguir as chaves. Um programa precisa de todos os 43 caracteres. Eles foram exibidos uma única vez: se ninguém os guardou, crie uma chave nova.',
    },
    keyId: {
      title: 'Isto é o ID de uma chave, não a própria chave',
      text: 'O ID identifica uma chave, não é secreto e não dá acesso a nada. O programa precisa da chave, que começa com ul_.',
    },
    quotes: {
      title: 'As aspas viraram parte da chave',
      text: 'Use aspas retas, um único par em volta do valor inteiro. Editores de texto e chats costumam transformá-las em aspas curvas.',
    },
    bearerInside: {
      title: 'A variável também contém a palavra “Bearer”',
      text: 'Coloque somente a chave na variável. O próprio programa acrescenta “Bearer”.',
    },
    bearerMissing: {
      title: 'Falta a palavra “Bearer” antes da chave',
      text: 'Uma requisição leva a chave neste cabeçalho: Authorization: Bearer, um espaço, a chave.',
    },
    singleQuotes: {
      title: 'Aspas simples impedem o shell de preencher a variável',
      text: 'O serviço recebe o nome da variável em vez da chave. Use aspas duplas em volta dela.',
    },
    empty: {
      title: 'Não há nenhuma chave aqui',
      text: 'O lugar da chave está vazio, como quando uma variável nunca foi definida. Veja se ela está definida: uma chave tem 43 caracteres.',
    },
    variable: {
      title: 'A chave vem de uma variável',
      text: 'Veja, sem exibir a chave, se a variável está definida onde o programa é executado: a resposta precisa ser 43. Se for, cole aqui a própria chave.',
    },
  },
  variable: {
    look: { bash: 'O tamanho dela, no bash e no zsh', powerShell: 'O tamanho dela, no PowerShell' },
    set: {
      bash: 'Definir: cole a chave sem que ela apareça e pressione Enter',
      powerShell: 'Definir a partir da área de transferência',
    },
    copy: 'Copiar {{line}}',
    copied: 'A linha foi copiada',
  },
  elsewhere: {
    title: 'Se mesmo assim o programa for recusado',
    address:
      'Talvez ele esteja falando com o serviço público, que não conhece esta chave. Defina esta linha onde ele é executado.',
    saved:
      'Talvez ele também use outra chave: ULTRALYTICS_API_KEY prevalece sobre uma chave salva por “ul login” ou “yolo login”.',
  },
  refused: {
    '401': {
      title: 'O serviço não aceitou a chave',
      text: 'Ela pode estar incompleta, revogada ou ser desconhecida do serviço consultado, ou a variável dela pode não estar definida. Cole a chave, ou o comando com ela, para descobrir a causa.',
    },
    '403': {
      title: 'A chave é válida, mas seus escopos não permitem esta requisição',
      text: 'Cole a chave junto com o comando para ver qual escopo falta.',
    },
    '429': {
      title: 'A chave fez requisições demais em um minuto',
      text: 'Faça o programa esperar o tempo indicado no cabeçalho Retry-After da resposta, e mais tempo após cada nova recusa. Cole a chave junto com o comando para ver quando a próxima requisição será aceita.',
    },
  },
  nothing: {
    title: 'Nenhuma chave foi encontrada neste texto',
    text: 'Cole a própria chave ou o comando inteiro com a chave.',
    request: 'A requisição foi encontrada. Acrescente a chave que ela usa, e as duas serão verificadas juntas.',
  },
  malformed: {
    title: 'Esta chave não está como foi criada',
    whiteSpace: 'Há espaços ou quebras de linha nela. Copie-a de novo, em uma só parte.',
    prefix: 'Ela não começa com ul_. Copie a chave inteira, a partir do primeiro caractere.',
    length: 'Ela não tem 43 caracteres. Copie a chave inteira: ul_ e os 40 caracteres seguintes.',
    upperCase: 'Ela tem letras maiúsculas. Use-a exatamente como foi exibida: todas as letras são minúsculas.',
    notHexadecimal:
      'Ela tem caracteres que nenhuma chave tem. Depois de ul_ há somente os dígitos de 0 a 9 e as letras de a a f.',
  },
  unknown: {
    title: 'Este serviço não conhece a chave',
    text: 'O formato está certo, mas ela não foi criada aqui ou tem um erro de digitação. Verifique se o programa fala com o serviço em que a chave foi criada. Uma chave perdida não pode ser exibida novamente: crie uma nova.',
  },
  revoked: {
    title: '{{name, isolated}} foi revogada',
    text: 'Desde {{when}} ela é recusada, definitivamente. Crie uma chave nova e coloque-a no lugar desta.',
  },
  scope: {
    title: '{{name, isolated}} não pode fazer esta requisição',
    text: 'É necessário um destes escopos: {{needed}}. A chave tem: {{has}}.',
    remedy: 'Os escopos de uma chave nunca mudam. Crie uma chave com o escopo que falta.',
    noneTitle: 'Nenhuma chave permite esta requisição',
    none: 'Verifique o caminho: ele começa com /api/ e não tem partes vazias, escapadas ou formadas só por pontos.',
  },
  limit: {
    title: '{{name, isolated}} atingiu o limite',
    text: 'O limite é de {{limit}} requisições deste tipo por minuto. A próxima será aceita às {{when}}.',
    remedy: 'Faça o programa enviar requisições com menos frequência e esperar mais após cada recusa.',
  },
  peerLimit: {
    title: 'Este computador enviou chaves inválidas demais',
    text: 'Até {{when}}, somente as chaves que já estavam em uso são consideradas. A página Atividade mostra o que foi recusado; encontre o programa que envia chaves erradas.',
  },
  accepted: {
    title: '{{name, isolated}} é válida',
    text: 'Ela tem estes escopos: {{scopes}}. Cole o comando inteiro para ver se bastam para a requisição dele.',
    requestTitle: '{{name, isolated}} pode fazer esta requisição',
    requestText: 'A chave é válida e seus escopos bastam: {{scopes}}.',
  },

  habits: 'Bons hábitos',
  doTitle: 'Faça',
  do: {
    store: 'Guarde as chaves em variáveis de ambiente, no chaveiro ou em um arquivo .env que o Git ignore.',
    separate: 'Dê a cada programa, em cada lugar, uma chave própria.',
    least: 'Escolha somente os escopos de que o programa precisa.',
    rotate: 'Rotacione as chaves a cada poucos meses, e imediatamente se alguma pode ter vazado.',
    revoke: 'Revogue as chaves que ninguém usa mais.',
  },
  doNotTitle: 'Não faça',
  doNot: {
    commit: 'Colocar chaves no controle de versão.',
    share: 'Compartilhar uma chave entre programas ou pessoas.',
    admin: 'Escolher admin onde outro escopo basta.',
    log: 'Exibir chaves em registros ou mensagens de erro.',
    embed: 'Embutir chaves em aplicativos ou páginas que outras pessoas podem abrir.',
  },

  format: 'Como é uma chave',
  formatText: 'Toda chave começa com ul_. Depois vêm 40 caracteres, cada um de 0 a 9 ou de a a f: 43 ao todo.',
  scopes: 'O que cada escopo permite',
  scopesText: 'Uma chave pode fazer o que seus escopos permitem em conjunto.',
  limits: 'Limites: quantas requisições uma chave pode fazer',
  limitsText:
    'Requisições por minuto de cada chave. Métricas e envios de checkpoints contam por treinamento; chaves inválidas, por endereço. Você pode alterar os limites nas Preferências.',

  questions: 'Perguntas e respostas',
  question: {
    expire: 'As chaves expiram?',
    again: 'Posso ver uma chave novamente?',
    leaked: 'E se uma chave vazou?',
    many: 'Quantas chaves posso ter?',
    team: 'Posso compartilhar uma chave com minha equipe?',
    closed: 'As chaves funcionam com este aplicativo fechado?',
    proxy: 'E se eu usar um proxy?',
  },
  reply: {
    expire:
      'Não. Uma chave funciona até você revogá-la. Por isso vale a pena rotacionar as chaves de tempos em tempos.',
    again:
      'Não. A chave completa é exibida uma única vez, ao ser criada, e não é guardada. Se ela se perder, crie uma nova e revogue a antiga.',
    leaked:
      'Crie uma chave nova com os mesmos escopos, coloque-a no lugar da antiga e revogue a antiga. Se ela já pode estar em mãos erradas, revogue-a primeiro: a partir daí ela é recusada em todo lugar.',
    many: 'Quantas quiser. Com uma para cada programa, fica fácil ver quem usa o quê e revogar só uma delas.',
    team: 'Melhor não. Com uma chave para cada pessoa, você vê quem fez o quê e pode retirar o acesso de uma só.',
    closed:
      'Sim, se você deixar o UL Keys continuar em execução ao fechar a janela. Se você sair do UL Keys, os programas não podem usar suas chaves até você abri-lo novamente.',
    closedNever: 'Não. O serviço de chaves é executado neste aplicativo, e os programas só o acessam com ele aberto.',
    closedAttached:
      'Sim. O serviço de chaves é executado por conta própria (“ul-keys serve”), com este aplicativo aberto ou fechado.',
    proxy:
      'Inclua 127.0.0.1 nas variáveis no_proxy e NO_PROXY onde um aplicativo usa uma chave. Caso contrário, o proxy recebe a chave e o aplicativo não acessa o servidor local. “ul-keys run” e os exemplos já fazem isso; um arquivo .env, não.',
  },
} as const;
