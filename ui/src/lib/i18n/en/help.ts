export const help = {
  intro: 'Find out why a key is refused, and how to treat keys well.',

  check: 'Check a key',
  checkText: 'Paste a key, a command that fails, or what it printed. You learn which cause applies and what to do.',
  field: 'Key, command or error message',
  placeholder: 'Paste here',
  privacy: 'What you paste is not kept. Only the key and the request in it go to the key service.',
  forgotten: 'The pasted text was removed after two minutes.',
  found: 'Found in the text',
  clear: 'Clear',
  answer: 'Answer',
  chip: {
    key: 'Key {{begin}}',
    brokenKey: 'Unreadable key',
    request: 'Request {{request}}',
    server: 'Server {{server}}',
  },
  createKey: 'Create Key…',
  showKey: 'Show in the list',

  server: {
    title: 'This talks to {{server}}, not to this service',
    text: 'Keys of this service are unknown there. Set this line where the program runs, or use this address in the command.',
  },
  slip: {
    placeholder: {
      title: 'This is a placeholder, not a key',
      text: 'It stands in examples for a key of your own. Put your key in its place.',
    },
    sample: {
      title: 'This is the sample from the documentation, not a key',
      text: 'It has letters past f, which no real key has. Put a key of your own in its place.',
    },
    shortened: {
      title: 'This is only the beginning of a key',
      text: 'The list shows it so that you can tell keys apart. A program needs all 43 characters. They were shown once: if nobody kept them, create a new key.',
    },
    keyId: {
      title: 'This is the ID of a key, not the key itself',
      text: 'The ID names a key without being secret, and opens nothing. The program needs the key, which begins with ul_.',
    },
    quotes: {
      title: 'Quotation marks have become part of the key',
      text: 'Use straight quotation marks, one pair, around the whole value. Word processors and chats often turn them into curly ones.',
    },
    bearerInside: {
      title: 'The variable holds “Bearer” as well',
      text: 'Put only the key into the variable. The program adds “Bearer” by itself.',
    },
    bearerMissing: {
      title: 'The word “Bearer” is missing before the key',
      text: 'A request carries its key in this header: Authorization: Bearer, a space, the key.',
    },
    singleQuotes: {
      title: 'Single quotes keep the shell from filling in the variable',
      text: 'The service receives the name of the variable instead of the key. Use double quotes around it.',
    },
    empty: {
      title: 'There is no key here',
      text: 'The place for the key is empty, as when a variable was never set. Look whether it is set: a key has 43 characters.',
    },
    variable: {
      title: 'The key comes from a variable',
      text: 'Look whether it is set where the program runs, without showing the key: the answer must be 43. If it is, paste the key itself here.',
    },
  },
  variable: {
    look: { bash: 'How long it is, in bash and zsh', powerShell: 'How long it is, in PowerShell' },
    set: { bash: 'Set it: paste the key unseen, then press Enter', powerShell: 'Set it from the clipboard' },
    copy: 'Copy {{line}}',
    copied: 'The line was copied',
  },
  elsewhere: {
    title: 'If the program is refused all the same',
    address: 'It may be talking to the public service, which does not know this key. Set this line where it runs.',
    saved:
      'It may also be using another key: ULTRALYTICS_API_KEY comes before a key that was saved by “ul login” or “yolo login”.',
  },
  refused: {
    '401': {
      title: 'The service did not accept the key',
      text: 'It may be incomplete, revoked, unknown to the service that was asked, or its variable may not be set. Paste the key, or the command with it, to find out which.',
    },
    '403': {
      title: 'The key is valid, but its scopes do not allow this request',
      text: 'Paste the key together with the command to see which scope is missing.',
    },
    '429': {
      title: 'The key has made too many requests within a minute',
      text: 'Let the program wait as long as the answer’s Retry-After header says, and longer after each further refusal. Paste the key together with the command to see when the next request is accepted.',
    },
  },
  nothing: {
    title: 'No key was found in this text',
    text: 'Paste the key itself, or the whole command with the key in it.',
    request: 'The request was found. Add the key that it uses, and both are checked together.',
  },
  malformed: {
    title: 'This key is not as it was made',
    whiteSpace: 'There are spaces or line breaks in it. Copy it again, in one piece.',
    prefix: 'It does not begin with ul_. Copy the whole key, from its first character on.',
    length: 'It does not have 43 characters. Copy the whole key: ul_ and the 40 characters after it.',
    upperCase: 'It has capital letters. Use it exactly as it was shown: all letters are small.',
    notHexadecimal: 'It has characters that no key has. After ul_ there are only the digits 0–9 and the letters a–f.',
  },
  unknown: {
    title: 'This service does not know the key',
    text: 'Its form is right, but it was not made here, or it is mistyped. Check that the program talks to the service where the key was made. A lost key cannot be shown again: create a new one.',
  },
  revoked: {
    title: '{{name, isolated}} was revoked',
    text: 'Since {{when}} it has been refused, for good. Create a new key and put it where this one was.',
  },
  scope: {
    title: '{{name, isolated}} may not make this request',
    text: 'One of these scopes is needed: {{needed}}. The key has: {{has}}.',
    remedy: 'The scopes of a key never change. Create a key with the scope that is missing.',
    noneTitle: 'No key opens this request',
    none: 'Check the path: it begins with /api/ and has no empty, dotted or escaped parts.',
  },
  limit: {
    title: '{{name, isolated}} has reached its limit',
    text: 'The limit is {{limit}} requests of this kind per minute. The next one is accepted at {{when}}.',
    remedy: 'Let the program ask less often, and wait longer after each refusal.',
  },
  peerLimit: {
    title: 'Too many invalid keys were sent from this computer',
    text: 'Until {{when}}, only keys that were in use before are looked at. Activity shows what was refused; find the program that sends wrong keys.',
  },
  accepted: {
    title: '{{name, isolated}} is valid',
    text: 'It has these scopes: {{scopes}}. Paste the whole command to see whether they are enough for its request.',
    requestTitle: '{{name, isolated}} may make this request',
    requestText: 'The key is valid, and its scopes are enough: {{scopes}}.',
  },

  habits: 'Good habits',
  doTitle: 'Do',
  do: {
    store: 'Keep keys in environment variables, in the keychain, or in a .env file that git ignores.',
    separate: 'Give every program, in every place, a key of its own.',
    least: 'Choose only the scopes that the program needs.',
    rotate: 'Rotate keys every few months, and at once if one may have leaked.',
    revoke: 'Revoke keys that nobody uses any more.',
  },
  doNotTitle: 'Don’t',
  doNot: {
    commit: 'Commit keys to version control.',
    share: 'Share one key among programs or people.',
    admin: 'Choose admin where another scope is enough.',
    log: 'Print keys in logs or error messages.',
    embed: 'Build keys into apps or web pages that others can open.',
  },

  format: 'What a key looks like',
  formatText: 'Every key begins with ul_. After that there are 40 characters, each 0–9 or a–f: 43 in all.',
  scopes: 'What each scope allows',
  scopesText: 'A key can do what its scopes allow together.',
  limits: 'Rate limits: how often a key may ask',
  limitsText:
    'Requests per minute for each key. Metrics and checkpoint uploads count per training run, invalid keys per address. You can change these limits in Preferences.',

  questions: 'Questions and answers',
  question: {
    expire: 'Do keys expire?',
    again: 'Can I see a key again?',
    leaked: 'What if a key has leaked?',
    many: 'How many keys may I have?',
    team: 'May I share a key with my team?',
    closed: 'Do keys work while this app is closed?',
    proxy: 'What if I use a proxy?',
  },
  reply: {
    expire: 'No. A key works until you revoke it. That is why it is worth rotating keys from time to time.',
    again:
      'No. The full key is shown once, when it is made, and is not kept. If it is lost, create a new one and revoke the old one.',
    leaked:
      'Create a new key with the same scopes, put it where the old one was, and revoke the old one. If it may be in wrong hands now, revoke it first: from then on it is refused everywhere.',
    many: 'As many as you like. One for each program makes it easy to see who uses what, and to revoke one alone.',
    team: 'Better not. With a key each, you see who did what, and can take back one person’s access alone.',
    closed:
      'Yes, if you let UL Keys keep running when you close its window. If you quit UL Keys, programs can’t use your keys until you open it again.',
    closedNever: 'No. The key service runs in this app, and programs reach it only while the app is open.',
    closedAttached: 'Yes. The key service runs on its own (“ul-keys serve”), whether this app is open or not.',
    proxy:
      'Add 127.0.0.1 to the variables no_proxy and NO_PROXY wherever an app uses a key. Otherwise the proxy receives the key, and the app can’t reach the local server. “ul-keys run” and the examples do this for you; a .env file doesn’t.',
  },
} as const;
