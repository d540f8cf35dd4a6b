import { describe, expect, it } from 'vitest';
import type { Epoch } from '../ipc';
import { curves, grouped, latest, trained } from './metrics';

const epoch = (number: number, metrics: Epoch['metrics']): Epoch => ({
  epoch: number,
  metrics,
  fitness: null,
  bestFitness: null,
  keyId: null,
  receivedAt: '2026-11-22T10:00:00Z',
});

// As `yolo detect train` reports them.
const DETECTION = {
  'train/box_loss': 2.01445,
  'train/cls_loss': 1.34012,
  'train/dfl_loss': 1.20829,
  'metrics/precision(B)': 0,
  'metrics/recall(B)': 0,
  'metrics/mAP50(B)': 0,
  'metrics/mAP50-95(B)': 0,
  'val/box_loss': 0.03529,
  'val/cls_loss': 0.69099,
  'val/dfl_loss': 0.0201,
  lr: 0,
};

describe('what is drawn together', () => {
  it('is losses, and metrics with the mean average precision first, and nothing else', () => {
    expect(grouped([epoch(0, DETECTION)])).toEqual({
      losses: ['train/box_loss', 'train/cls_loss', 'train/dfl_loss', 'val/box_loss', 'val/cls_loss', 'val/dfl_loss'],
      metrics: ['metrics/mAP50(B)', 'metrics/mAP50-95(B)', 'metrics/precision(B)', 'metrics/recall(B)'],
    });
  });

  it('is found for other tasks, and for what only some epochs report', () => {
    const epochs = [
      epoch(0, { 'train/loss': 1, 'metrics/accuracy_top1': 0.5 }),
      epoch(1, { 'train/loss': 1, 'val/loss': 2, 'metrics/accuracy_top5': 0.9 }),
    ];
    expect(grouped(epochs)).toEqual({
      losses: ['train/loss', 'val/loss'],
      metrics: ['metrics/accuracy_top1', 'metrics/accuracy_top5'],
    });
    expect(grouped([])).toEqual({ losses: [], metrics: [] });
  });

  it('leaves out the final validation, which is no epoch', () => {
    const epochs = [0, 1, 2, 3].map((number) => epoch(number, DETECTION));
    expect(trained(epochs, 3).map(({ epoch }) => epoch)).toEqual([0, 1, 2]);
    expect(trained(epochs, null)).toHaveLength(4);
  });
});

describe('a curve', () => {
  it('has the color of its family, and dashes that tell validation from training', () => {
    const names = grouped([epoch(0, DETECTION)]).losses;
    const drawn = curves([], names).map(({ name, color, dashed }) => [name, color, dashed]);
    expect(drawn).toEqual([
      ['train/box_loss', 0, false],
      ['train/cls_loss', 1, false],
      ['train/dfl_loss', 2, false],
      ['val/box_loss', 0, true],
      ['val/cls_loss', 1, true],
      ['val/dfl_loss', 2, true],
    ]);
  });

  it('differs from every other one', () => {
    const pose = ['B', 'P'].flatMap((part) =>
      ['mAP50', 'mAP50-95', 'precision', 'recall'].map((n) => `metrics/${n}(${part})`),
    );
    const five = ['a', 'b', 'c', 'd', 'e'].map((name) => `train/${name}_loss`);
    for (const names of [pose, five]) {
      const looks = curves([], names).map(({ color, dashed }) => `${color} ${String(dashed)}`);
      expect(new Set(looks).size).toBe(names.length);
    }
  });

  it('begins with epoch 1, has a gap where a number was not finite, and none where nothing was reported', () => {
    const epochs = [epoch(0, { loss: 3 }), epoch(1, { loss: null }), epoch(2, {}), epoch(3, { loss: 1 })];
    expect(curves(epochs, ['loss'])[0]?.points).toEqual([
      { x: 1, y: 3 },
      { x: 2, y: Number.NaN },
      { x: 4, y: 1 },
    ]);
    expect(latest(epochs, 'loss')).toBe(1);
    expect(latest(epochs.slice(0, 2), 'loss')).toBe(3);
    expect(latest(epochs, 'lr')).toBeNull();
  });
});
