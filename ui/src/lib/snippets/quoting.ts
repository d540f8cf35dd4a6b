/** Text as one word of a POSIX shell. */
export function shellWord(text: string): string {
  return /^[\w.:@%+/-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** Text as a string of PowerShell, which takes typographic quotation marks for quotation marks too. */
export const powerShellString = (text: string): string => `'${text.replace(/['‘’‚‛]/g, '$&$&')}'`;

/** Text as a string of Python; what JSON escapes, Python reads alike. */
export const pythonString = (text: string): string => JSON.stringify(text);
