export const quit = {
  title: 'Quit UL Keys?',
  intro_one: '{{number}} training run is still sending data to UL Keys.',
  intro_other: '{{number}} training runs are still sending data to UL Keys.',
  more_one: 'and {{number}} more',
  more_other: 'and {{number}} more',
  effect_one:
    'It keeps training, but what it sends is lost until you open UL Keys again. If it ends before then, its results are lost and its checkpoint isn’t uploaded.',
  effect_other:
    'They keep training, but what they send is lost until you open UL Keys again. If one ends before then, its results are lost and its checkpoint isn’t uploaded.',
  keepOpen: 'Keep open',
  quit: 'Quit',
} as const;
