import { changePort, retryService, type ServiceStatus } from '../ipc';
import { problemAfter, type Problem } from './problem';

/** What the app knows of the key service. */
export class Connection {
  #status = $state.raw<ServiceStatus>({ state: 'starting' });
  #problem = $state.raw<Problem | null>(null);

  get status(): ServiceStatus {
    return this.#status;
  }

  /** Why the service does not run; stays until another attempt has ended. */
  get problem(): Problem | null {
    return this.#problem;
  }

  get running(): boolean {
    return this.#status.state === 'running';
  }

  /** Whether the service belongs to this app. If not, this app uses one that another program runs (`ul-keys serve`). */
  get own(): boolean {
    return this.#status.state !== 'running' || this.#status.host !== 'otherProgram';
  }

  /** Whether the service keeps running when this app ends. */
  get inBackground(): boolean {
    return this.#status.state === 'running' && this.#status.host === 'background';
  }

  /** Whether the service can keep running when this app ends. */
  get canKeepRunning(): boolean {
    return this.#status.state === 'running' && this.#status.canKeepRunning;
  }

  /** The service's address while it runs. */
  get url(): string | null {
    return this.#status.state === 'running' ? this.#status.url : null;
  }

  /** The line that tells programs where the service is. */
  get exportLine(): string | null {
    return this.#status.state === 'running' ? this.#status.exportLine : null;
  }

  update(status: ServiceStatus): void {
    this.#status = status;
    this.#problem = problemAfter(this.#problem, status);
  }

  async retry(): Promise<ServiceStatus> {
    return this.#answer(await retryService());
  }

  async changePort(port: number): Promise<ServiceStatus> {
    return this.#answer(await changePort(port));
  }

  #answer(status: ServiceStatus): ServiceStatus {
    this.update(status);
    return status;
  }
}

/** `127.0.0.1:8576` of `http://127.0.0.1:8576`. */
export function hostOf(url: string): string {
  return url.replace(/^https?:\/\//, '').replace(/\/$/, '');
}
