import { leavesPage } from './leaving';

function isTextInput(target: EventTarget | null): boolean {
  return (target instanceof HTMLInputElement && target.type === 'text') || target instanceof HTMLTextAreaElement;
}

function isSelected(target: EventTarget | null): boolean {
  const selection = window.getSelection();
  return selection !== null && !selection.isCollapsed && target instanceof Node && selection.containsNode(target, true);
}

/** Keeps what a browser does by itself, such as reloading, from replacing the page. */
export function keepPage(): void {
  const mac = navigator.platform.startsWith('Mac');
  for (const type of ['dragover', 'drop']) window.addEventListener(type, (event) => event.preventDefault());
  window.addEventListener('contextmenu', (event) => {
    if (!isTextInput(event.target) && !isSelected(event.target)) event.preventDefault();
  });
  window.addEventListener('keydown', (event) => {
    if (leavesPage(event, isTextInput(event.target), mac)) event.preventDefault();
  });
}
