export const quit = {
  title: 'Sair do UL Keys?',
  keepTitle: 'Manter as chaves funcionando?',
  keepIntro:
    'Os programas só podem usar suas chaves enquanto o UL Keys está em execução. Ele pode continuar em segundo plano depois que você fechar esta janela.',
  keepEffect: 'Para sair depois, abra o UL Keys novamente e escolha “Arquivo > Sair”.',
  runs_one: '{{number}} treinamento ainda está enviando dados ao UL Keys.',
  runs_many: '{{number}} de treinamentos ainda estão enviando dados ao UL Keys.',
  runs_other: '{{number}} treinamentos ainda estão enviando dados ao UL Keys.',
  keys_one: '{{number}} chave foi usada nos últimos cinco minutos.',
  keys_many: '{{number}} de chaves foram usadas nos últimos cinco minutos.',
  keys_other: '{{number}} chaves foram usadas nos últimos cinco minutos.',
  more_one: 'e mais {{number}}',
  more_many: 'e mais {{number}}',
  more_other: 'e mais {{number}}',
  effect_one:
    'Ele continua, mas o que enviar se perde até você abrir o UL Keys novamente. Se terminar antes disso, os resultados se perdem e o checkpoint não é enviado.',
  effect_many:
    'Eles continuam, mas o que enviarem se perde até você abrir o UL Keys novamente. Se algum terminar antes disso, os resultados se perdem e o checkpoint não é enviado.',
  effect_other:
    'Eles continuam, mas o que enviarem se perde até você abrir o UL Keys novamente. Se algum terminar antes disso, os resultados se perdem e o checkpoint não é enviado.',
  keysEffect: 'Depois de sair, os programas não podem usar suas chaves até você abrir o UL Keys novamente.',
  remember: 'Lembrar minha escolha',
  rememberHint: 'Você pode mudar isso em “Conexão”.',
  keepOpen: 'Manter aberto',
  keepRunning: 'Continuar em execução',
  quit: 'Sair',
  moreKeys_one: 'e mais {{number}}',
  moreKeys_many: 'e mais {{number}}',
  moreKeys_other: 'e mais {{number}}',
} as const;
