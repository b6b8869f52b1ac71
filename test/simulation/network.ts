import type { Kernel, Process } from './kernel.ts';

/** What is wrong with one process's way to NATS at the moment. */
export interface Link {
  cut: boolean;
  /** Share of messages that get lost, that come twice, and the most that one is held back. */
  loss: number;
  twice: number;
  holdMs: number;
}

const healthy: Link = { cut: false, loss: 0, twice: 0, holdMs: 0 };

/** The ways between the processes and NATS. Messages overtake each other as chance has it. */
export class Network {
  readonly kernel: Kernel;
  readonly random: () => number;
  serverUp = true;
  readonly #links = new Map<Process, Link>();
  readonly #watchers = new Set<() => void>();

  constructor(kernel: Kernel, random: () => number) {
    this.kernel = kernel;
    this.random = random;
  }

  link(process: Process): Link {
    let link = this.#links.get(process);
    if (link === undefined) this.#links.set(process, (link = { ...healthy }));
    return link;
  }

  reaches(process: Process): boolean {
    return this.serverUp && process.alive && !this.link(process).cut;
  }

  /** To be called after a link or the server has changed. */
  changed(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }

  onChange(watcher: () => void): void {
    this.#watchers.add(watcher);
  }

  /** One message one way, between a process and the server. @param arrive called once, twice or never */
  hop(process: Process, at: Process | undefined, arrive: () => void, { duplicates = true } = {}): void {
    const link = this.link(process);
    if (!this.reaches(process) || this.random() < link.loss) return;
    const copies = duplicates && this.random() < link.twice ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const delay = 1 + 3 * this.random() + (link.holdMs === 0 ? 0 : link.holdMs * this.random());
      this.kernel.in(delay, at, () => {
        if (at !== undefined || this.reaches(process)) arrive();
      });
    }
  }
}
