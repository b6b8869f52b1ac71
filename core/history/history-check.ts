import { createHash } from 'node:crypto';
import { allAggregates } from '../aggregates.ts';
import { sha256Hex } from '../store/envelope.ts';
import { isReadable, type StoredEnvelope, type Unreadable } from '../store/event-store.ts';
import { Replay } from '../store/replay.ts';
import { subjectOf } from '../store/subject.ts';

/**
 * One digest of the whole history, message by message: `next = SHA-256(last, sequence, subject, SHA-256(bytes))`, the
 * first on an empty text. Whoever keeps it elsewhere can tell later whether anything before it was changed.
 */
export class HistoryDigest {
  #digest = '';

  get value(): string {
    return this.#digest;
  }

  add(sequence: number, subject: string, bytes: Uint8Array): void {
    this.#digest = createHash('sha256').update(`${this.#digest} ${sequence} ${subject} ${sha256Hex(bytes)}`).digest('hex');
  }
}

const keptProblems = 100;

/** What is wrong with a history, told message by message in the stream's order. */
export class HistoryCheck {
  readonly replay = new Replay(allAggregates);
  readonly #digest = new HistoryDigest();
  readonly #problems: string[] = [];
  #count = 0;

  /** The first of them. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  /** All of them, kept or not. */
  get problemCount(): number {
    return this.#count;
  }

  get sequence(): number {
    return this.replay.sequence;
  }

  get digest(): string {
    return this.#digest.value;
  }

  report(problem: string): void {
    this.#count += 1;
    if (this.#problems.length < keptProblems) this.#problems.push(problem);
  }

  /** Checks that it follows without a gap, that it can be read, its aggregate's chain of hashes, and whether each event may follow. */
  take(stored: StoredEnvelope | Unreadable): void {
    const { sequence } = stored;
    const due = this.sequence + 1;
    if (sequence !== due) this.report(`${sequence === due + 1 ? `message ${due} is` : `messages ${due} to ${sequence - 1} are`} missing`);
    const subject = subjectIn(stored);
    const { head, problem } = this.replay.apply(stored);
    if (problem !== undefined) this.report(`message ${sequence} on ${subject}: ${problem}`);
    else if (head === undefined) this.report(`message ${sequence} on ${subject}: this version knows no such aggregate`);
    this.#digest.add(sequence, subject, stored.bytes);
  }
}

/** The subject that a message lies on. */
export function subjectIn(stored: StoredEnvelope | Unreadable): string {
  return isReadable(stored) ? subjectOf(stored.aggregate, stored.id) : stored.subject;
}
