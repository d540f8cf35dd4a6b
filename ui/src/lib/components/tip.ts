/** The attribute whose text is shown in a tooltip while the pointer is on its element: see TipLayer.svelte. */
const ATTRIBUTE = 'data-tip';

/** The element around `target` that has a tooltip. */
export function tipped(target: EventTarget | null): HTMLElement | null {
  return target instanceof Element ? target.closest<HTMLElement>(`[${ATTRIBUTE}]`) : null;
}

export const tipOf = (element: HTMLElement): string => element.dataset.tip ?? '';

/** For texts that are cut only where there is no room: the tooltip tells nothing that one sees anyway. */
export function isNeeded(element: HTMLElement): boolean {
  const { scrollHeight, clientHeight, scrollWidth, clientWidth, dataset } = element;
  return dataset.tipWhen !== 'cut' || scrollHeight > clientHeight + 1 || scrollWidth > clientWidth + 1;
}
