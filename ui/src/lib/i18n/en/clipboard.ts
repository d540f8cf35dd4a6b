export const clipboard = {
  about: 'Clipboard',
  stays_one: 'A copied key leaves the clipboard after {{count}} second.',
  stays_other: 'A copied key leaves the clipboard after {{count}} seconds.',
  clearsIn_one: 'On the clipboard for another {{count}} second',
  clearsIn_other: 'On the clipboard for another {{count}} seconds',
  overdue:
    'The key could not be taken off the clipboard. The app keeps trying; copying something else also removes it.',
  checking: 'Clearing the clipboard…',
  removedAgain:
    'Another app put the key back on the clipboard. UL Keys cleared it again, but that app may still keep a copy. Clear its history.',
  putBack:
    'Another app keeps putting the key back on the clipboard. Delete the key from your clipboard manager’s history.',
  clearNow: 'Clear now',
  cleared: 'The key is no longer on the clipboard',
} as const;
