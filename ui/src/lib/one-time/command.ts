/** Text as one word of a POSIX shell. */
function quoted(text: string): string {
  return /^[\w.:@%+/-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** The line that starts a program with a key from the keychain. */
export function runCommand(name: string): string {
  const key = name.startsWith('-') ? `--key=${quoted(name)}` : `--key ${quoted(name)}`;
  return `ul-keys run ${key} -- yolo train`;
}
