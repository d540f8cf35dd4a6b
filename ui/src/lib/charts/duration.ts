const UNITS = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
] as const;

/** A length of time in its largest unit and the one below, such as “2 hr 5 min”. */
export function duration(milliseconds: number, locale: string): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const found = UNITS.findIndex(([, size]) => seconds >= size);
  const first = found < 0 ? UNITS.length - 1 : found;
  let rest = seconds;
  const parts = UNITS.slice(first, first + 2).map(([unit, size], index) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count === 0 && index > 0) return '';
    return new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'short' }).format(count);
  });
  return parts.filter(Boolean).join(' ');
}

/** Bytes as people read them. */
export function fileSize(bytes: number, locale: string): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'] as const;
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const options = { style: 'unit', unit: units[power] ?? 'byte', maximumFractionDigits: 1 } as const;
  return new Intl.NumberFormat(locale, options).format(bytes / 1000 ** power);
}
