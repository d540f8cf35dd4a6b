const MIN_PORT = 1024;
const MAX_PORT = 65_535;

/** The port that a text names, or `null` when it names none that may be used. */
export function parsePort(text: string): number | null {
  const digits = text.trim();
  if (!/^[0-9]{1,5}$/.test(digits)) return null;
  const port = Number(digits);
  return port >= MIN_PORT && port <= MAX_PORT ? port : null;
}
