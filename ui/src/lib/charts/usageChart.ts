import type { ChartConfiguration } from 'chart.js';
import { dateLocale, formatNumber } from '../i18n/index.svelte';
import { stripes, type Look } from './look';
import { axisMoment } from './moments';
import type { Bucket, Range } from './usage';

/** Bars of accepted requests, and on them the refused ones, striped. */
export function usageChart(
  buckets: readonly Bucket[],
  range: Range,
  { colors, font }: Look,
): ChartConfiguration<'bar'> {
  const bar = { stack: 'requests', maxBarThickness: 22, categoryPercentage: 0.9, barPercentage: 0.85 };
  const striped = stripes(colors.refused, devicePixelRatio);
  const most = Math.max(...buckets.map(({ accepted, refused }) => accepted + refused));
  return {
    type: 'bar',
    data: {
      labels: buckets.map(({ start }) => axisMoment(start, range, dateLocale())),
      datasets: [
        {
          ...bar,
          data: buckets.map(({ accepted }) => accepted),
          backgroundColor: colors.accepted,
          hoverBackgroundColor: colors.accepted,
        },
        {
          ...bar,
          // Where there are none, there is no bar of the least length either.
          data: buckets.map(({ refused }) => refused || Number.NaN),
          backgroundColor: striped,
          hoverBackgroundColor: striped,
          borderColor: colors.refused,
          hoverBorderColor: colors.refused,
          borderWidth: 1,
          // Few refusals among many requests are still to be seen.
          minBarLength: 3,
        },
      ],
    },
    options: {
      animation: false,
      maintainAspectRatio: false,
      interaction: { mode: 'index', intersect: false },
      scales: {
        x: {
          stacked: true,
          grid: { display: false },
          border: { color: colors.grid },
          ticks: { color: colors.text, font, maxRotation: 0, autoSkipPadding: font.size * 1.5 },
        },
        y: {
          stacked: true,
          beginAtZero: true,
          suggestedMax: Math.max(4, most),
          border: { display: false },
          grid: { color: colors.grid, drawTicks: false },
          ticks: {
            color: colors.text,
            font,
            precision: 0,
            maxTicksLimit: 4,
            padding: 6,
            callback: (value) => formatNumber(Number(value)),
          },
        },
      },
    },
  };
}
