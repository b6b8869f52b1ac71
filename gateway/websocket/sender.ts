import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';

/** The client did not read what it was sent. */
export class TooSlow extends Error {}

/**
 * Sends frames with a bounded buffer, past the client of `ws`, which would make each anew: without compression it
 * writes its own frames whole too, so that none comes into another. A client that is merely slower than its feed holds the feed back; one that
 * does not get its buffer half empty in time is given up.
 *
 * A class, and few fields: with thousands of them, what a message costs beside its write is what of this is not in the processor's cache.
 */
export class Sender<Message> {
  readonly #socket: WebSocket;
  readonly #raw: Duplex;
  readonly #framesOf: (message: Message) => readonly Buffer[];
  readonly #bufferBytes: number;
  readonly #graceMs: number;
  #onSent: (() => void) | undefined;

  constructor(socket: WebSocket, raw: Duplex, limits: { bufferBytes: number; graceMs: number }, framesOf: (message: Message) => readonly Buffer[]) {
    this.#socket = socket;
    this.#raw = raw;
    this.#framesOf = framesOf;
    this.#bufferBytes = limits.bufferBytes;
    this.#graceMs = limits.graceMs;
  }

  /** @returns what to wait for before the next call, where there was no room for all. @throws TooSlow */
  take(message: Message): Promise<void> | undefined {
    return this.#send(this.#framesOf(message), 0);
  }

  #send(frames: readonly Buffer[], from: number): Promise<void> | undefined {
    for (let next = from; next < frames.length; next++) {
      const frame = frames[next]!;
      if (!this.#hasRoomFor(frame.length)) {
        return this.#room().then(() => {
          this.#write(frame);
          return this.#send(frames, next + 1);
        });
      }
      this.#write(frame);
    }
    return undefined;
  }

  /** Where there is none, `drain` comes. */
  #hasRoomFor(bytes: number): boolean {
    return !this.#raw.writableNeedDrain || this.#raw.writableLength + bytes <= this.#bufferBytes;
  }

  #isHalfEmpty(): boolean {
    return this.#raw.writableLength <= this.#bufferBytes / 2;
  }

  #room(): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (done: () => void): void => {
        clearTimeout(timer);
        this.#socket.off('close', onEnd);
        this.#raw.off('drain', onEnd);
        this.#onSent = undefined;
        done();
      };
      const onEnd = (): void => finish(resolve);
      const onTime = (): void => finish(this.#isHalfEmpty() ? resolve : () => reject(new TooSlow(`nothing was read for ${this.#graceMs} ms`)));
      const timer = setTimeout(onTime, this.#graceMs);
      this.#socket.once('close', onEnd);
      this.#raw.once('drain', onEnd);
      this.#onSent = () => {
        if (this.#isHalfEmpty()) finish(resolve);
      };
    });
  }

  #write(frame: Buffer): void {
    // A closed socket is noticed by its `close` event, which ends the feed.
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    // A callback costs each of thousands a tick; what the kernel takes at once needs none.
    if (this.#raw.writableLength === 0) this.#raw.write(frame);
    else this.#raw.write(frame, () => this.#onSent?.());
  }
}
