import { expect, it } from 'vitest';
import { decimated } from './decimated';

const line = (length: number, y: (x: number) => number) =>
  Array.from({ length }, (_, index) => ({ x: index + 1, y: y(index + 1) }));

it('leaves a short line as it is', () => {
  const points = line(600, (x) => x);
  expect(decimated(points, 600)).toBe(points);
});

it('makes a long line short, from its first point to its last, in order', () => {
  const kept = decimated(
    line(20_000, (x) => Math.sin(x / 50)),
    600,
  );
  expect(kept.length).toBeLessThanOrEqual(800);
  expect(kept.length).toBeGreaterThan(300);
  expect([kept[0]?.x, kept.at(-1)?.x]).toEqual([1, 20_000]);
  expect(kept.every(({ x }, index) => index === 0 || x > (kept[index - 1]?.x ?? 0))).toBe(true);
});

it('keeps every peak, however narrow', () => {
  const kept = decimated(
    line(5000, (x) => (x === 1234 ? 99 : x === 4321 ? -99 : 1)),
    400,
  );
  expect(kept).toContainEqual({ x: 1234, y: 99 });
  expect(kept).toContainEqual({ x: 4321, y: -99 });
});

it('keeps gaps, also where there is nothing but gaps', () => {
  const kept = decimated(
    line(5000, (x) => (x === 1234 || x > 4000 ? Number.NaN : 1)),
    400,
  );
  expect(kept).toContainEqual({ x: 1234, y: Number.NaN });
  expect(kept.filter(({ x }) => x > 4050).every(({ y }) => Number.isNaN(y))).toBe(true);
});
