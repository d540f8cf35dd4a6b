type Pressed = Pick<KeyboardEvent, 'key' | 'altKey' | 'ctrlKey' | 'metaKey' | 'shiftKey'>;

/** Whether the keys ask to close the window, or the app with it. */
export function asksToClose({ key, altKey, ctrlKey, metaKey, shiftKey }: Pressed): boolean {
  return ['w', 'q'].includes(key.toLowerCase()) && ctrlKey !== metaKey && !altKey && !shiftKey;
}
