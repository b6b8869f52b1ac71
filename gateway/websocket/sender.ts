import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';

/** The client did not read what it was sent. */
export class TooSlow extends Error {}

/**
 * Sends frames with a bounded buffer, past the client of `ws`, which would make each anew: without compression it
 * writes its own frames whole too, so that none comes into another. A client that is merely slower than its feed holds the feed back; one that
 * does not get its buffer half empty in time is given up.
 */
export function createSender(socket: WebSocket, raw: Duplex, bufferBytes: number, graceMs: number): (frame: Buffer) => Promise<void> | undefined {
  let onSent: (() => void) | undefined;
  const roomFor = (bytes: number): boolean => socket.bufferedAmount === 0 || socket.bufferedAmount + bytes <= bufferBytes;

  const waitForRoom = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const finish = (done: () => void): void => {
        clearTimeout(timer);
        socket.off('close', onClose);
        onSent = undefined;
        done();
      };
      const timer = setTimeout(() => finish(() => reject(new TooSlow(`nothing was read for ${graceMs} ms`))), graceMs);
      const onClose = (): void => finish(resolve);
      socket.once('close', onClose);
      onSent = () => {
        if (socket.bufferedAmount <= bufferBytes / 2) finish(resolve);
      };
    });

  let inRound = false;
  const endRound = (): void => {
    inRound = false;
    raw.uncork();
  };
  const onWritten = (): void => onSent?.();
  const write = (frame: Buffer): void => {
    // A closed socket is noticed by its `close` event, which ends the feed.
    if (socket.readyState !== socket.OPEN) return;
    // The first of a round goes out now, and what more there is in one write.
    if (!inRound) {
      inRound = true;
      process.nextTick(endRound);
    } else if (raw.writableCorked === 0) raw.cork();
    raw.write(frame, onWritten);
  };

  return (frame) => {
    if (!roomFor(frame.length)) return waitForRoom().then(() => write(frame));
    write(frame);
    return undefined;
  };
}
