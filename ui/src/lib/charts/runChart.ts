import type { ChartConfiguration, ChartDataset } from 'chart.js';
import { formatNumber, numberLocale } from '../i18n/index.svelte';
import type { Look } from './look';
import type { Series } from './metrics';

const DIGITS = 4;
const DASH = [5, 3];
/** So many points are marked one by one; beyond, they would be a thick line. */
const MARKED = 12;

const lineColors = (colors: Look['colors']) => [colors.line1, colors.line2, colors.line3, colors.line4] as const;

/** With as many digits as every other one, so that they can be compared at a glance. */
export const formatMetric = (value: number): string =>
  new Intl.NumberFormat(numberLocale(), { minimumSignificantDigits: DIGITS, maximumSignificantDigits: DIGITS }).format(
    value,
  );

const formatTick = (value: number): string =>
  new Intl.NumberFormat(numberLocale(), { maximumSignificantDigits: DIGITS }).format(value);

/** A line for each series, by epoch, from the first to the `last`, which may be still to come. */
export function runChart(series: readonly Series[], last: number, { colors, font }: Look): ChartConfiguration<'line'> {
  const palette = lineColors(colors);
  const ticks = { color: colors.text, font, maxRotation: 0 };
  return {
    type: 'line',
    data: {
      datasets: series.map(({ points, color, dashed }): ChartDataset<'line'> => {
        const alone = (index: number) => isAlone(points, index);
        return {
          data: [...points],
          borderColor: palette[color],
          backgroundColor: palette[color],
          borderWidth: 1.5,
          borderDash: dashed ? DASH : [],
          pointRadius: points.length <= MARKED ? 1.75 : ({ dataIndex }) => (alone(dataIndex) ? 1.5 : 0),
          pointHoverRadius: 3.5,
          pointHoverBackgroundColor: palette[color],
          pointHoverBorderColor: palette[color],
          pointHitRadius: 0,
        };
      }),
    },
    options: {
      animation: false,
      maintainAspectRatio: false,
      parsing: false,
      normalized: true,
      interaction: { mode: 'nearest', axis: 'x', intersect: false },
      scales: {
        x: {
          type: 'linear',
          min: 1,
          max: last,
          grid: { display: false },
          border: { color: colors.grid },
          ticks: { ...ticks, precision: 0, maxTicksLimit: 6, callback: (value) => formatNumber(Number(value)) },
        },
        y: {
          beginAtZero: true,
          border: { display: false },
          grid: { color: colors.grid, drawTicks: false },
          ticks: { ...ticks, maxTicksLimit: 5, padding: 6, callback: (value) => formatTick(Number(value)) },
        },
      },
    },
  };
}

/** A value between two gaps belongs to no line, so it needs a mark. */
function isAlone(points: readonly { y: number }[], index: number): boolean {
  const gap = (point: { y: number } | undefined) => point === undefined || Number.isNaN(point.y);
  return gap(points[index - 1]) && gap(points[index + 1]);
}
