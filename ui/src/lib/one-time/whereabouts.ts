/** Whether a paste still finds the new key: it was never copied, it does, or something took its place. */
export type Whereabouts = 'never' | 'safe' | 'lost';

/** Only a key that was copied can be lost; an earlier key that leaves the clipboard changes nothing. */
export function onceTakenOff(before: Whereabouts): Whereabouts {
  return before === 'safe' ? 'lost' : before;
}
