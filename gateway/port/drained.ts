import type { Writable } from 'node:stream';

/** Resolves when there is room for more, or nobody is there any more. Called after a `write` that returned false. */
export function drained(stream: Pick<Writable, 'on' | 'off'>): Promise<void> {
  return new Promise((resolve) => {
    const on = (): void => {
      stream.off('drain', on);
      stream.off('close', on);
      resolve();
    };
    stream.on('drain', on);
    stream.on('close', on);
  });
}
