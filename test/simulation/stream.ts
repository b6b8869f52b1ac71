import { ForgeError } from '../../core/errors.ts';
import { decodeEnvelope } from '../../core/store/envelope.ts';
import { UnknownOutcome, VersionConflict, type EventStore, type StoredEnvelope } from '../../core/store/event-store.ts';
import { subjectOf } from '../../core/store/subject.ts';
import type { Process } from './kernel.ts';
import type { Network } from './network.ts';

const answerMs = 5_000;
/** What a consumer that missed something asks again after. */
const resumeMs = 300;

/** The event stream: durable, in one order, appended to by compare-and-set on each aggregate's version. */
export class Stream {
  readonly log: StoredEnvelope[] = [];
  readonly #versions = new Map<string, number>();
  readonly #network: Network;
  readonly #listeners = new Set<(stored: StoredEnvelope) => void>();

  constructor(network: Network) {
    this.#network = network;
  }

  onAppended(listener: (stored: StoredEnvelope) => void): void {
    this.#listeners.add(listener);
  }

  #append(aggregate: string, id: string, bytes: Uint8Array, expectedVersion: number): number | VersionConflict {
    const subject = subjectOf(aggregate, id);
    if ((this.#versions.get(subject) ?? 0) !== expectedVersion) return new VersionConflict(subject, expectedVersion);
    const sequence = this.log.length + 1;
    const stored = { sequence, aggregate, id, bytes, envelope: decodeEnvelope(bytes) };
    this.log.push(stored);
    this.#versions.set(subject, sequence);
    for (const listener of [...this.#listeners]) listener(stored);
    return sequence;
  }

  /** The stream as one life of a process has it: over the network, which loses questions and answers. */
  storeOf(process: Process): EventStore {
    const network = this.#network;
    const ask = <T>(what: () => T, late: () => Error): Promise<T> =>
      new Promise((resolve, reject) => {
        const limit = network.kernel.in(answerMs, process, () => reject(late()));
        network.hop(process, undefined, () => {
          const answer = what();
          network.hop(process, process, () => {
            limit.cancelled = true;
            if (answer instanceof Error) reject(answer);
            else resolve(answer);
          });
        }, { duplicates: false });
      });
    const unavailable = (): Error => new ForgeError('unavailable', 'the stream does not answer');
    return {
      append: (aggregate, id, bytes, expectedVersion) =>
        ask(() => this.#append(aggregate, id, bytes, expectedVersion), () => new UnknownOutcome(subjectOf(aggregate, id), 'timeout')) as Promise<number>,
      lastSequence: () => ask(() => this.log.length, unavailable),
      readAggregate: (aggregate, id, afterVersion) => {
        const read = ask(() => this.log.filter((stored) => stored.sequence > afterVersion && stored.aggregate === aggregate && stored.id === id), unavailable);
        return (async function* () {
          yield* await read;
        })();
      },
      subscribe: (after, signal) => this.#consume(process, after, signal),
    };
  }

  /** In order and without gaps, as an ordered consumer is: what got lost on the way comes later. */
  async *#consume(process: Process, after: number, signal: AbortSignal): AsyncIterable<StoredEnvelope> {
    const { kernel } = this.#network;
    const { life } = process;
    let delivered = after;
    let given = after;
    let wake = (): void => {};
    let resuming = false;
    const gone = (): boolean => process.life !== life || !process.alive;
    const push = (): void => {
      const upTo = this.log.length;
      if (upTo <= delivered || gone()) return;
      this.#network.hop(process, process, () => {
        if (upTo <= delivered) return;
        delivered = upTo;
        wake();
      }, { duplicates: false });
      resume();
    };
    const resume = (): void => {
      if (resuming) return;
      resuming = true;
      kernel.in(resumeMs, undefined, () => {
        resuming = false;
        push();
      });
    };
    this.#listeners.add(push);
    push();
    while (!signal.aborted) {
      while (given < delivered) yield this.log[given++]!;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  }
}
