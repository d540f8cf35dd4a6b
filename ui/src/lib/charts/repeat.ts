/**
 * Does `work` now and, while the page can be seen, again and again after a pause: of `pause()` milliseconds, or of four
 * times what the work took, so that slow work does not keep the app busy. Returns how to stop.
 */
export function repeat(work: () => Promise<void>, pause: () => number): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let busy = false;
  let ended = false;

  async function turn() {
    if (busy) return;
    clearTimeout(timer);
    busy = true;
    const began = performance.now();
    await work();
    busy = false;
    next(performance.now() - began);
  }

  function next(took: number) {
    if (!ended && isSeen()) timer = setTimeout(() => void turn(), Math.max(pause(), took * 4));
  }

  function seen() {
    clearTimeout(timer);
    if (isSeen()) void turn();
  }

  document.addEventListener('visibilitychange', seen);
  void turn();
  return () => {
    ended = true;
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', seen);
  };
}

const isSeen = () => document.visibilityState === 'visible';
