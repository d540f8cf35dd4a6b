import { failureText } from '../i18n/index.svelte';
import { toFailure } from '../ipc';

const SHOWN_MS = { good: 5000, caution: 10_000 };

interface Toast {
  id: number;
  text: string;
  tone: 'good' | 'caution';
}

let toasts = $state.raw<Toast[]>([]);
let nextId = 0;

export const shownToasts = (): readonly Toast[] => toasts;

/** Shows and speaks a short message: a confirmation, unless it calls for caution. */
export function say(text: string, tone: Toast['tone'] = 'good'): void {
  const toast = { id: nextId++, text, tone };
  toasts = [...toasts.slice(-2), toast];
  setTimeout(() => {
    toasts = toasts.filter(({ id }) => id !== toast.id);
  }, SHOWN_MS[tone]);
}

/** Says why something that was asked for did not happen. */
export const sayFailure = (reason: unknown): void => say(failureText(toFailure(reason)), 'caution');
