import type { KeyClient } from '../ipc';

/** As in `python-httpx/0.28.1 (linux)`. */
const PRODUCT = /^([\w.-]+)(?:\/\S*)?(?:\s|$)/;

/**
 * What a program is called, without its version; from another computer, with that one's address. `null` when it said
 * nothing.
 */
export function programOf({ agent, peer }: Pick<KeyClient, 'agent' | 'peer'>): string | null {
  const name = agent === null ? null : (PRODUCT.exec(agent)?.[1] ?? agent);
  return name === null || isThisComputer(peer) ? name : `${name} (${peer})`;
}

const isThisComputer = (peer: string): boolean => peer.startsWith('127.') || peer === '::1';
