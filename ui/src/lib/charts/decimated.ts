export interface Point {
  x: number;
  /** `NaN` is a gap. */
  y: number;
}

/**
 * So few of the points, or a little more, that the line through them looks the same: of each stretch its first, last,
 * lowest and highest (“M4”), and its first gap. Chart.js's own decimation would lose gaps.
 */
export function decimated(points: readonly Point[], most: number): readonly Point[] {
  if (points.length <= most) return points;
  const length = Math.ceil(points.length / Math.max(1, Math.floor(most / 4)));
  const kept: Point[] = [];
  for (let start = 0; start < points.length; start += length) {
    const stretch = points.slice(start, start + length);
    const by = (better: (one: number, other: number) => boolean) =>
      stretch.reduce<Point | undefined>(
        (best, point) => (!Number.isNaN(point.y) && (!best || better(point.y, best.y)) ? point : best),
        undefined,
      );
    const wanted = new Set([
      stretch[0],
      stretch.at(-1),
      by((one, other) => one < other),
      by((one, other) => one > other),
      stretch.find(({ y }) => Number.isNaN(y)),
    ]);
    kept.push(...stretch.filter((point) => wanted.has(point)));
  }
  return kept;
}
