import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { repeat } from './repeat';

let stop: () => void;
let page: EventTarget & { visibilityState: string };

beforeEach(() => {
  vi.useFakeTimers();
  page = Object.assign(new EventTarget(), { visibilityState: 'visible' });
  vi.stubGlobal('document', page);
});
afterEach(() => {
  stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function show(visibilityState: string) {
  page.visibilityState = visibilityState;
  page.dispatchEvent(new Event('visibilitychange'));
}

it('works now and after each pause', async () => {
  const work = vi.fn(() => Promise.resolve());
  stop = repeat(work, () => 2000);
  expect(work).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(6000);
  expect(work).toHaveBeenCalledTimes(4);
  stop();
  await vi.advanceTimersByTimeAsync(6000);
  expect(work).toHaveBeenCalledTimes(4);
});

it('rests four times as long as slow work takes, and never works twice at once', async () => {
  const work = vi.fn(() => new Promise<void>((done) => setTimeout(done, 1000)));
  stop = repeat(work, () => 2000);
  await vi.advanceTimersByTimeAsync(500);
  show('visible');
  await vi.advanceTimersByTimeAsync(4000);
  expect(work).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(600);
  expect(work).toHaveBeenCalledTimes(2);
});

it('waits while the page cannot be seen, and works as soon as it can', async () => {
  const work = vi.fn(() => Promise.resolve());
  stop = repeat(work, () => 2000);
  show('hidden');
  await vi.advanceTimersByTimeAsync(60_000);
  expect(work).toHaveBeenCalledTimes(1);
  show('visible');
  expect(work).toHaveBeenCalledTimes(2);
});
