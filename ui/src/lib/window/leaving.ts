type Pressed = Pick<KeyboardEvent, 'key' | 'altKey' | 'ctrlKey' | 'metaKey'>;

/** Whether the web view would reload the page or go back; a key that is shown only once would be lost. */
export function leavesPage({ key, altKey, ctrlKey, metaKey }: Pressed, writing: boolean, mac: boolean): boolean {
  if (['F5', 'BrowserRefresh', 'BrowserBack', 'BrowserForward'].includes(key)) return true;
  if ((ctrlKey || metaKey) && key.toLowerCase() === 'r') return true;
  // On a Mac these keys move through a text word by word.
  return altKey && (key === 'ArrowLeft' || key === 'ArrowRight') && !(mac && writing);
}
