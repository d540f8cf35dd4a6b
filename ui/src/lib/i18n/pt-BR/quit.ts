export const quit = {
  title: 'Sair do UL Keys?',
  intro_one: '{{number}} treinamento ainda está enviando dados ao UL Keys.',
  intro_many: '{{number}} de treinamentos ainda estão enviando dados ao UL Keys.',
  intro_other: '{{number}} treinamentos ainda estão enviando dados ao UL Keys.',
  more_one: 'e mais {{number}}',
  more_many: 'e mais {{number}}',
  more_other: 'e mais {{number}}',
  effect_one:
    'Ele continua, mas o que enviar se perde até você abrir o UL Keys novamente. Se terminar antes disso, os resultados se perdem e o checkpoint não é enviado.',
  effect_many:
    'Eles continuam, mas o que enviarem se perde até você abrir o UL Keys novamente. Se algum terminar antes disso, os resultados se perdem e o checkpoint não é enviado.',
  effect_other:
    'Eles continuam, mas o que enviarem se perde até você abrir o UL Keys novamente. Se algum terminar antes disso, os resultados se perdem e o checkpoint não é enviado.',
  keepOpen: 'Manter aberto',
  quit: 'Sair',
} as const;
