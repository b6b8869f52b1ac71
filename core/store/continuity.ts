import { setTimeout } from 'node:timers/promises';
import { ForgeError } from '../errors.ts';
import { sha256Hex } from './envelope.ts';

/** A message that was seen in the stream. As long as it is the same stream, it is there. */
export interface Mark {
  sequence: number;
  /** Of its bytes, in hex. */
  sha256: string;
}

/** How the leader is asked. Both throw ForgeError unavailable when NATS does not answer. */
export interface LeaderReads {
  /** 0 where the stream is empty or gone. */
  lastSequence(): Promise<number>;
  message(sequence: number): Promise<Uint8Array | undefined>;
}

/** A leader that was elected just now may still be applying what it knows: only after so many looks its word is final. */
const looks = 10;
const lookAgainMs = 200;

const remedy =
  'Nothing more is written. Stop all gateways and guardians and bring the newer stream back; or, to go on from this one and lose what came after it, ' +
  'delete the file events.mark in the data directory of each of them, and start them again (docs/operations.md, "When the stream has gone backwards")';

/**
 * Whether the stream is still the one whose end was seen. An older copy that was put in its place would take appends
 * that contradict what clients were told; so after each break of the connection it is looked at before anything is
 * appended, and one that went backwards, or has another past, is never written to by this process.
 */
export class Continuity {
  readonly #leader: LeaderReads;
  #sequence: number;
  #bytes: Uint8Array | undefined;
  #sha256: string;
  #lost: ForgeError | undefined;
  /** Breaks of the connection, and up to which of them the stream was looked at. */
  #breaks = 0;
  #checked = 0;
  #looking: Promise<void> | undefined;

  /** @param mark what was seen earlier, by a process before this one: looked for before the first append */
  constructor(leader: LeaderReads, mark: Mark | undefined) {
    this.#leader = leader;
    this.#sequence = mark?.sequence ?? 0;
    this.#sha256 = mark?.sha256 ?? '';
    if (mark !== undefined) this.#breaks = 1;
  }

  /** Newest message that was seen; undefined for none. */
  get mark(): Mark | undefined {
    if (this.#bytes !== undefined) this.#sha256 = sha256Hex(this.#bytes);
    return this.#sequence === 0 ? undefined : { sequence: this.#sequence, sha256: this.#sha256 };
  }

  get sequence(): number {
    return this.#sequence;
  }

  /** Why nothing can be written any more, with the remedy. */
  get problem(): string | undefined {
    return this.#lost?.message;
  }

  seen(sequence: number, bytes: Uint8Array): void {
    if (sequence <= this.#sequence) return;
    this.#sequence = sequence;
    this.#bytes = bytes;
  }

  /** @param before the newest sequence that was known when it was sent. @throws ForgeError unavailable when it lies behind that */
  appended(sequence: number, bytes: Uint8Array, before: number): void {
    if (sequence <= before) throw this.#lose(`it gave the number ${sequence} to an append after ${before} was seen`);
    this.seen(sequence, bytes);
  }

  /** The connection broke, or the stream looks shorter than it was: what answers next may be another stream. */
  doubt(): void {
    this.#breaks += 1;
  }

  /** Whether the stream is to be looked at before it is trusted. */
  get doubted(): boolean {
    return this.#lost !== undefined || this.#checked < this.#breaks;
  }

  /** @throws ForgeError unavailable when the stream is another one, or NATS does not answer while that is not known */
  async check(): Promise<void> {
    while (this.doubted && this.#lost === undefined) await (this.#looking ??= this.#look().finally(() => (this.#looking = undefined)));
    if (this.#lost !== undefined) throw this.#lost;
  }

  async #look(): Promise<void> {
    const breaks = this.#breaks;
    const { mark } = this;
    for (let tries = 1; mark !== undefined; tries++) {
      const last = await this.#leader.lastSequence();
      if (last >= mark.sequence) {
        const bytes = await this.#leader.message(mark.sequence);
        if (bytes !== undefined && sha256Hex(bytes) === mark.sha256) break;
        throw this.#lose(`its message ${mark.sequence} is not the one that was seen`);
      }
      if (tries === looks) throw this.#lose(last === 0 ? `it is empty or gone, and ${mark.sequence} was seen` : `it ends at ${last}, and ${mark.sequence} was seen`);
      await setTimeout(lookAgainMs);
    }
    this.#checked = breaks;
  }

  #lose(how: string): ForgeError {
    this.#lost = new ForgeError('unavailable', `The event stream has gone backwards: ${how}. ${remedy}`);
    return this.#lost;
  }
}
