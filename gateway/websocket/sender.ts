import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';

/** The client did not read what it was sent. */
export class TooSlow extends Error {}

/** Sends frames in order. @returns what to wait for before the next call, where there was no room for all. @throws TooSlow */
export type Send = (frames: readonly Buffer[]) => Promise<void> | undefined;

/**
 * Sends frames with a bounded buffer, past the client of `ws`, which would make each anew: without compression it
 * writes its own frames whole too, so that none comes into another. A client that is merely slower than its feed holds the feed back; one that
 * does not get its buffer half empty in time is given up.
 */
export function createSender(socket: WebSocket, raw: Duplex, bufferBytes: number, graceMs: number): Send {
  let onSent: (() => void) | undefined;
  /** Where there is none, `drain` comes. */
  const roomFor = (bytes: number): boolean => !raw.writableNeedDrain || raw.writableLength + bytes <= bufferBytes;
  const isHalfEmpty = (): boolean => raw.writableLength <= bufferBytes / 2;

  const waitForRoom = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const finish = (done: () => void): void => {
        clearTimeout(timer);
        socket.off('close', onClose);
        raw.off('drain', onDrain);
        onSent = undefined;
        done();
      };
      const onClose = (): void => finish(resolve);
      const onDrain = (): void => finish(resolve);
      const timer = setTimeout(() => finish(isHalfEmpty() ? resolve : () => reject(new TooSlow(`nothing was read for ${graceMs} ms`))), graceMs);
      socket.once('close', onClose);
      raw.once('drain', onDrain);
      onSent = () => {
        if (isHalfEmpty()) finish(resolve);
      };
    });

  const onWritten = (): void => onSent?.();
  const write = (frame: Buffer): void => {
    // A closed socket is noticed by its `close` event, which ends the feed.
    if (socket.readyState !== socket.OPEN) return;
    // A callback costs each of thousands a tick; what the kernel takes at once needs none.
    if (raw.writableLength === 0) raw.write(frame);
    else raw.write(frame, onWritten);
  };

  const send = (frames: readonly Buffer[], from: number): Promise<void> | undefined => {
    for (let next = from; next < frames.length; next++) {
      const frame = frames[next]!;
      if (!roomFor(frame.length)) {
        return waitForRoom().then(() => {
          write(frame);
          return send(frames, next + 1);
        });
      }
      write(frame);
    }
    return undefined;
  };
  return (frames) => send(frames, 0);
}

/** For frames that come one by one: the first of a round goes out now, and what more there is in one write. */
export function gathering(raw: Duplex, send: Send): (frame: Buffer) => Promise<void> | undefined {
  let inRound = false;
  const endRound = (): void => {
    inRound = false;
    raw.uncork();
  };
  return (frame) => {
    if (!inRound) {
      inRound = true;
      process.nextTick(endRound);
    } else if (raw.writableCorked === 0) raw.cork();
    return send([frame]);
  };
}
