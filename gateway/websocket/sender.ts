import type { WebSocket } from 'ws';

/** The client did not read what it was sent. */
export class TooSlow extends Error {}

/**
 * Sends text messages with a bounded buffer. A client that is merely slower than its feed holds the feed back; one that
 * does not get its buffer half empty in time is given up.
 */
export function createSender(socket: WebSocket, bufferBytes: number, graceMs: number): (text: string) => Promise<void> {
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

  return async (text) => {
    if (!roomFor(Buffer.byteLength(text))) await waitForRoom();
    // A closed socket is noticed by its `close` event, which ends the feed.
    if (socket.readyState === socket.OPEN) socket.send(text, () => onSent?.());
  };
}
