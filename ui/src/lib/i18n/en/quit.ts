export const quit = {
  title: 'Quit UL Keys?',
  keepTitle: 'Keep your keys working?',
  keepIntro:
    'Programs can use your keys only while UL Keys is running. It can keep running in the background after you close this window.',
  keepEffect: 'To quit later, open UL Keys again and choose File > Quit.',
  runs_one: '{{number}} training run is still sending data to UL Keys.',
  runs_other: '{{number}} training runs are still sending data to UL Keys.',
  keys_one: '{{number}} key was used in the last five minutes.',
  keys_other: '{{number}} keys were used in the last five minutes.',
  keepLost_one: 'If you quit, what it sends is lost.',
  keepLost_other: 'If you quit, what they send is lost.',
  otherKeys_one: '{{number}} other key was used in the last five minutes.',
  otherKeys_other: '{{number}} other keys were used in the last five minutes.',
  more_one: 'and {{number}} more',
  more_other: 'and {{number}} more',
  effect_one:
    'It keeps training, but what it sends is lost until you open UL Keys again. If it ends before then, its results are lost and its checkpoint isn’t uploaded.',
  effect_other:
    'They keep training, but what they send is lost until you open UL Keys again. If one ends before then, its results are lost and its checkpoint isn’t uploaded.',
  keysEffect: 'After you quit, programs can’t use your keys until you open UL Keys again.',
  remember: 'Remember my choice',
  rememberHint: 'You can change this under Connection.',
  keepOpen: 'Keep open',
  keepRunning: 'Keep running',
  quit: 'Quit',
  moreKeys_one: 'and {{number}} more',
  moreKeys_other: 'and {{number}} more',
} as const;
