import type { Envelope } from '../gen/aiforge/v1/events_pb.ts';

/** An envelope as it lies in the stream. */
export interface StoredEnvelope {
  /** Position in the whole stream; also the version of its aggregate after it. */
  sequence: number;
  aggregate: string;
  id: string;
  bytes: Uint8Array;
  envelope: Envelope;
}

/** A message that should not be there: no envelope, or of a schema that this version does not know. */
export interface Unreadable {
  sequence: number;
  subject: string;
  bytes: Uint8Array;
  problem: string;
}

export function isReadable(stored: StoredEnvelope | Unreadable): stored is StoredEnvelope {
  return 'envelope' in stored;
}

/** Lost the race: the aggregate has moved on. Read again, decide again. */
export class VersionConflict extends Error {
  constructor(subject: string, expected: number) {
    super(`${subject} is not at version ${expected} any more`);
    this.name = 'VersionConflict';
  }
}

/** Whether the append happened is not known: read again before trying again. */
export class UnknownOutcome extends Error {
  constructor(subject: string, cause: unknown) {
    super(`no answer to an append to ${subject}`, { cause });
    this.name = 'UnknownOutcome';
  }
}

export interface EventStore {
  /**
   * Appends one envelope, durable when this resolves.
   * @param expectedVersion sequence of the aggregate's last envelope, 0 for none
   * @returns its sequence
   * @throws VersionConflict, UnknownOutcome
   */
  append(aggregate: string, id: string, bytes: Uint8Array, expectedVersion: number): Promise<number>;
  /** The aggregate's messages after a version, in order, read at the stream's leader. */
  readAggregate(aggregate: string, id: string, afterVersion: number): AsyncIterable<StoredEnvelope | Unreadable>;
  /** All messages after a sequence, in order, then live until the signal aborts. */
  subscribe(afterSequence: number, signal: AbortSignal): AsyncIterable<StoredEnvelope | Unreadable>;
  /** Sequence of the stream's last envelope, from the leader. */
  lastSequence(): Promise<number>;
  /** Why nothing can be appended any more, with the remedy; undefined while all is well. */
  problem?(): string | undefined;
}
