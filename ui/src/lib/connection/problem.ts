import type { ServiceStatus } from '../ipc';

export type Problem = Exclude<ServiceStatus, { state: 'starting' | 'running' }>;

/** The problem to show from now on. A new attempt alone solves nothing, and what is on the page stays until it ends. */
export function problemAfter(shown: Problem | null, status: ServiceStatus): Problem | null {
  if (status.state === 'starting') return shown;
  return status.state === 'running' ? null : status;
}
