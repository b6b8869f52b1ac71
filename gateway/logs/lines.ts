import type { Telemetry } from '../../core/gen/aiforge/v1/worker_pb.ts';

/** One line of an attempt's log. */
export interface LogLine {
  /** From 1 within the attempt; one that is missing was lost or left out. */
  number: number;
  /** When its host sent it, Unix milliseconds. */
  time: number;
  text: string;
}

/** The lines of one telemetry message. @param last number of the last line before it, for workers that do not number them */
export function linesOf({ log, firstLine, timeMs }: Telemetry, last: number): LogLine[] {
  if (log === '') return [];
  const first = firstLine > 0n ? Number(firstLine) : last + 1;
  return log.replace(/\n$/, '').split('\n').map((text, index) => ({ number: first + index, time: Number(timeMs), text }));
}

/** What is kept of a large log, in bytes of its text: how it began, and how it ended. */
const keptHeadBytes = 1 << 20;
const keptTailBytes = 7 << 20;

/** Lines in order, bounded: from the midst of a large log the oldest go. */
export class KeptLines {
  readonly #head: LogLine[] = [];
  #headBytes = 0;
  #tail: LogLine[] = [];
  #tailBytes = 0;
  #dropped = 0;
  #last = 0;
  readonly #headLimit: number;
  readonly #tailLimit: number;

  constructor(headLimit = keptHeadBytes, tailLimit = keptTailBytes) {
    this.#headLimit = headLimit;
    this.#tailLimit = tailLimit;
  }

  /** Number of the last line. */
  get last(): number {
    return this.#last;
  }

  /** A line that was there already, as a message that is read twice brings it, is passed over. */
  add(line: LogLine): void {
    if (line.number <= this.#last) return;
    this.#last = line.number;
    const bytes = Buffer.byteLength(line.text) + 1;
    if (this.#tail.length === 0 && this.#headBytes + bytes <= this.#headLimit) {
      this.#head.push(line);
      this.#headBytes += bytes;
      return;
    }
    this.#tail.push(line);
    this.#tailBytes += bytes;
    while (this.#tailBytes > this.#tailLimit && this.#dropped < this.#tail.length - 1) {
      this.#tailBytes -= Buffer.byteLength(this.#tail[this.#dropped++]!.text) + 1;
      if (this.#dropped < 10_000) continue;
      this.#tail = this.#tail.slice(this.#dropped);
      this.#dropped = 0;
    }
  }

  get lines(): LogLine[] {
    return [...this.#head, ...this.#tail.slice(this.#dropped)];
  }
}
