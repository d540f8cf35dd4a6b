import { changePort, retryService, type ServiceStatus } from '../ipc';

/** What the app knows of the key service. */
export class Connection {
  #status = $state.raw<ServiceStatus>({ state: 'starting' });

  get status(): ServiceStatus {
    return this.#status;
  }

  get running(): boolean {
    return this.#status.state === 'running';
  }

  /** The service's address while it runs. */
  get url(): string | null {
    return this.#status.state === 'running' ? this.#status.url : null;
  }

  /** The line that tells programs where the service is. */
  get exportLine(): string | null {
    return this.url === null ? null : `export ULTRALYTICS_PLATFORM_URL=${this.url}`;
  }

  update(status: ServiceStatus): void {
    this.#status = status;
  }

  async retry(): Promise<ServiceStatus> {
    return (this.#status = await retryService());
  }

  async changePort(port: number): Promise<ServiceStatus> {
    return (this.#status = await changePort(port));
  }
}

/** `127.0.0.1:8576` of `http://127.0.0.1:8576`. */
export function hostOf(url: string): string {
  return url.replace(/^https?:\/\//, '').replace(/\/$/, '');
}
