import type { Epoch } from '../ipc';
import { decimated, type Point } from './decimated';

/** More lines than this cannot be told apart; the table has them all. */
const MOST_LINES = 8;
/** Points of a line; a chart is not much wider in pixels. */
const MOST_POINTS = 600;
const COLORS = 4;

/** What is drawn with a line of its own. */
export interface Series {
  /** As the training process calls it. */
  name: string;
  points: readonly Point[];
  /** Those that belong together, such as a loss in training and in validation, have one color. */
  color: number;
  dashed: boolean;
}

/**
 * A process calls its losses and its metrics so, whatever its task; the rest, such as `lr`, is no curve of interest.
 */
const isLoss = (name: string) => /loss$/i.test(name);
const isMetric = (name: string) => name.startsWith('metrics/');

/** After the last epoch, the best model is validated once more; that is no step of the training. */
export function trained(epochs: readonly Epoch[], planned: number | null): readonly Epoch[] {
  return planned === null ? epochs : epochs.filter(({ epoch }) => epoch < planned);
}

/** The names that the epochs report, losses and metrics apart, as they are to be listed. */
export function grouped(epochs: readonly Epoch[]): { losses: string[]; metrics: string[] } {
  const names = [...new Set(epochs.flatMap(({ metrics }) => Object.keys(metrics)))];
  const metrics = names.filter((name) => isMetric(name) && !isLoss(name));
  // The mean average precision is what a person looks for.
  const weight = (name: string) => (/map/i.test(name) ? 0 : 1);
  return {
    losses: names.filter(isLoss),
    metrics: metrics.sort((one, other) => weight(one) - weight(other)),
  };
}

/** `train/box_loss` and `val/box_loss` are one family, and so are `metrics/mAP50(B)` and `metrics/mAP50(M)`. */
function familyOf(name: string): { family: string; variant: string } {
  const [, before = '', rest = name] = /^(train|val)\/(.*)$/s.exec(name) ?? [];
  const [, stem = rest, after = ''] = /^(.*)\((\w)\)$/s.exec(rest) ?? [];
  return { family: stem, variant: before + after };
}

/** The curves of these names, as far as they can be told apart. */
export function curves(epochs: readonly Epoch[], names: readonly string[]): Series[] {
  const families = new Map<string, { color: number; variants: string[] }>();
  return names.slice(0, MOST_LINES).map((name) => {
    const { family, variant } = familyOf(name);
    const known = families.get(family) ?? { color: families.size % COLORS, variants: [] };
    families.set(family, known);
    if (!known.variants.includes(variant)) known.variants.push(variant);
    // The fifth family has the first one's color, so its line differs.
    const again = [...families.keys()].indexOf(family) >= COLORS;
    const dashed = (known.variants.indexOf(variant) % 2 === 1) !== again;
    return { name, points: decimated(pointsOf(epochs, name), MOST_POINTS), color: known.color, dashed };
  });
}

/** A number that was not finite is a gap; a number that was not reported is passed over. */
function pointsOf(epochs: readonly Epoch[], name: string): Point[] {
  return epochs.flatMap(({ epoch, metrics }) => {
    const value = metrics[name];
    return value === undefined ? [] : [{ x: epoch + 1, y: value ?? Number.NaN }];
  });
}

/** The last finite value of a metric. */
export function latest(epochs: readonly Epoch[], name: string): number | null {
  return epochs.findLast(({ metrics }) => typeof metrics[name] === 'number')?.metrics[name] ?? null;
}
