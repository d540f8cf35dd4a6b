export const snippets = {
  languages: 'Examples',
  language: {
    keychain: 'Keychain',
    shell: 'bash, zsh',
    powerShell: 'PowerShell',
    python: 'Python',
    curl: 'curl',
    yolo: 'yolo train',
  },
  copy: 'Copy the example',
  copied: 'The example was copied',
  withKey: 'Or copy an example with the key in it',
  withKeyInHistory:
    'Run like this, the key stays in the shell’s history. It does not if a program gets it from the keychain or a .env file.',
  withKeyInFile:
    'Whoever can read the program’s file can use the key. Better let it come from the keychain or a .env file.',
  noProxy: 'The example bypasses any proxy, which would otherwise see the key.',
  use: 'Use {{name, isolated}}',
  useText: 'The full key was shown once and is not stored here. Yours begins with {{prefix}}.',
  note: {
    saved: 'This app saved the key in this computer’s keychain. The program gets it from there.',
    asks: 'Asks for the key. What you paste is not shown and stays out of the shell’s history.',
    asksAtStart: 'Asks for the key when the program starts. Where the variable is set already, leave that line out.',
    reads: 'Reads the key from the variable ULTRALYTICS_API_KEY. The other examples show how to set it.',
  },
  lost: 'If nobody has the full key any more, rotate it: a new key takes its place.',
  close: 'Close',
} as const;
