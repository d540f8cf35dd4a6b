/** The whole number that a text names, if it lies within the bounds. */
export function parseWithin(text: string, least: number, most: number): number | null {
  const digits = text.trim();
  if (!/^[0-9]{1,9}$/.test(digits)) return null;
  const number = Number(digits);
  return number >= least && number <= most ? number : null;
}
