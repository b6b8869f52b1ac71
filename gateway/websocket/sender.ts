import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';

/** The client did not read what it was sent. */
export class TooSlow extends Error {}

/**
 * Sends frames past the client of `ws`, which would make each anew: without compression it writes its own frames whole
 * too, so that none comes into another. What the kernel does not take waits: in the stream no more than its own buffer
 * and a frame, since all that waits there goes as one write, of which nothing is told before its last byte is taken; the
 * rest of a run here, in frames that all who watch share. A client that is merely slower than its feed holds the feed
 * back; one for which the kernel takes nothing in time is given up.
 *
 * A class, and few fields: with thousands of them, what a message costs beside its write is what of this is not in the processor's cache.
 */
export class Sender<Message> {
  readonly #socket: WebSocket;
  readonly #raw: Duplex;
  readonly #framesOf: (message: Message) => readonly Buffer[];
  readonly #graceMs: number;

  constructor(socket: WebSocket, raw: Duplex, limits: { graceMs: number }, framesOf: (message: Message) => readonly Buffer[]) {
    this.#socket = socket;
    this.#raw = raw;
    this.#framesOf = framesOf;
    this.#graceMs = limits.graceMs;
  }

  /** @returns what to wait for before the next call, where there was no room for all. @throws TooSlow */
  take(message: Message): Promise<void> | undefined {
    return this.#send(this.#framesOf(message), 0);
  }

  #send(frames: readonly Buffer[], from: number): Promise<void> | undefined {
    for (let next = from; next < frames.length; next++) {
      // A closed socket is noticed by its `close` event, which ends the feed.
      if (this.#socket.readyState !== this.#socket.OPEN) return undefined;
      if (!this.#hasRoom()) return this.#drained().then(() => this.#send(frames, next));
      // Without a callback, which would cost each of thousands a tick.
      this.#raw.write(frames[next]!);
    }
    return undefined;
  }

  /** Where there is none, `drain` comes; it also comes, later, where the kernel took a long frame at once. */
  #hasRoom(): boolean {
    return !this.#raw.writableNeedDrain || this.#raw.writableLength === 0;
  }

  #drained(): Promise<void> {
    return new Promise((resolve, reject) => {
      let taken = takenBytes(this.#raw);
      const finish = (done: () => void): void => {
        clearInterval(timer);
        this.#socket.off('close', onEnd);
        this.#raw.off('drain', onEnd);
        done();
      };
      const onEnd = (): void => finish(resolve);
      const onTime = (): void => {
        const before = taken;
        taken = takenBytes(this.#raw);
        if (taken <= before) finish(() => reject(new TooSlow(`there was no room to send anything for ${this.#graceMs} ms`)));
      };
      const timer = setInterval(onTime, this.#graceMs);
      this.#socket.once('close', onEnd);
      this.#raw.once('drain', onEnd);
    });
  }
}

/** What the kernel has taken, also of a write that it has not taken all of: Node's own timeouts of sockets look there too, and nothing public tells it. */
function takenBytes(raw: Duplex): number {
  const { _handle: handle } = raw as { _handle?: { bytesWritten: number; writeQueueSize: number } | null };
  return handle ? handle.bytesWritten - handle.writeQueueSize : 0;
}
