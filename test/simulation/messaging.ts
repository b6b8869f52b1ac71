import type { Msg, NatsConnection } from '@nats-io/transport-node';
import type { Process } from './kernel.ts';
import type { Network } from './network.ts';

interface Subscribed {
  connection: Connection;
  tokens: string[];
  queue: string | undefined;
  callback(error: Error | null, message: Msg): void;
}

/** Core NATS: subjects, queue groups, requests, and connections that break and come back. Nothing is kept for who is away. */
export class Messaging {
  readonly network: Network;
  readonly #subscriptions = new Set<Subscribed>();

  constructor(network: Network) {
    this.network = network;
  }

  /** A process's connection for as long as it lives; undefined while it does not reach the server. */
  connect(process: Process): NatsConnection | undefined {
    if (!this.network.reaches(process)) return undefined;
    return new Connection(this, process) as unknown as NatsConnection;
  }

  /** A process has died: what it listened to is forgotten. */
  forget(process: Process): void {
    for (const subscription of this.#subscriptions) if (subscription.connection.process === process) this.#subscriptions.delete(subscription);
  }

  subscribe(subscription: Subscribed): () => void {
    this.#subscriptions.add(subscription);
    return () => this.#subscriptions.delete(subscription);
  }

  publish(from: Process, subject: string, data: Uint8Array, reply?: string, unheard: () => void = () => {}): void {
    this.network.hop(from, undefined, () => {
      const receivers = this.#receivers(subject);
      if (receivers.length === 0) return this.network.hop(from, from, unheard);
      for (const receiver of receivers) this.#deliver(receiver, subject, data, reply);
    });
  }

  #receivers(subject: string): Subscribed[] {
    const tokens = subject.split('.');
    const groups = new Map<string, Subscribed[]>();
    const receivers: Subscribed[] = [];
    for (const subscription of this.#subscriptions) {
      if (!fits(subscription.tokens, tokens) || !this.network.reaches(subscription.connection.process)) continue;
      if (subscription.queue === undefined) receivers.push(subscription);
      else groups.set(subscription.queue, [...(groups.get(subscription.queue) ?? []), subscription]);
    }
    for (const group of groups.values()) receivers.push(group[Math.floor(this.network.random() * group.length)]!);
    return receivers;
  }

  #deliver(to: Subscribed, subject: string, data: Uint8Array, reply: string | undefined): void {
    const { process } = to.connection;
    this.network.hop(process, process, () => {
      if (!this.#subscriptions.has(to)) return;
      const respond = (answer: Uint8Array): boolean => {
        if (reply !== undefined) this.publish(process, reply, answer);
        return true;
      };
      to.callback(null, { subject, data, reply, respond } as unknown as Msg);
    });
  }
}

/** What of a NatsConnection the services use. */
class Connection {
  readonly info = {};
  readonly process: Process;
  readonly #messaging: Messaging;
  readonly #statuses: { type: string }[] = [];
  #connected = true;
  #wake = (): void => {};

  constructor(messaging: Messaging, process: Process) {
    this.#messaging = messaging;
    this.process = process;
    const { life } = process;
    const { network } = messaging;
    const look = (): void => {
      if (process.life !== life || !process.alive) return;
      const reaches = network.reaches(process);
      if (reaches === this.#connected) return;
      this.#connected = reaches;
      // A process learns of a broken connection at once, and is back after a moment.
      network.kernel.in(reaches ? 50 + 100 * network.random() : 1, process, () => {
        this.#statuses.push({ type: reaches ? 'reconnect' : 'disconnect' });
        this.#wake();
      });
    };
    network.onChange(look);
  }

  async *status(): AsyncIterable<{ type: string }> {
    for (;;) {
      while (this.#statuses.length > 0) yield this.#statuses.shift()!;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  isClosed(): boolean {
    return false;
  }

  publish(subject: string, data: Uint8Array = new Uint8Array(), options: { reply?: string } = {}): void {
    this.#messaging.publish(this.process, subject, data, options.reply);
  }

  subscribe(subject: string, options: { queue?: string; callback: Subscribed['callback'] }): { unsubscribe(): void } {
    const unsubscribe = this.#messaging.subscribe({ connection: this, tokens: subject.split('.'), queue: options.queue, callback: options.callback });
    return { unsubscribe };
  }

  request(subject: string, data: Uint8Array, options: { timeout: number; reply: string }): Promise<Msg> {
    return new Promise((resolve, reject) => {
      const { kernel } = this.#messaging.network;
      const end = (): void => {
        subscription.unsubscribe();
        limit.cancelled = true;
      };
      const subscription = this.subscribe(options.reply, {
        callback(_error, message) {
          end();
          resolve(message);
        },
      });
      const fail = (why: string) => (): void => {
        end();
        reject(new Error(why));
      };
      const limit = kernel.in(options.timeout, this.process, fail('timeout'));
      this.#messaging.publish(this.process, subject, data, options.reply, fail('no responders'));
    });
  }
}

function fits(pattern: readonly string[], subject: readonly string[]): boolean {
  return pattern.length === subject.length && pattern.every((token, index) => token === '*' || token === subject[index]);
}
