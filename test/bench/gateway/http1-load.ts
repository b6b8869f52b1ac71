import { connect, type Socket } from 'node:net';

export interface LoadResult {
  perSecond: number;
  /** Median time to the first byte of an answer's body, in milliseconds. */
  firstByteMs: number;
  /** `data:` events a second; 0 without streams. */
  eventsPerSecond: number;
}

interface LoadOptions {
  port: number;
  connections: number;
  /** A whole HTTP/1.1 request, sent again as soon as its answer is there. */
  request: Buffer;
  durationMs: number;
}

const headEnd = Buffer.from('\r\n\r\n');
const chunkedEnd = Buffer.from('0\r\n\r\n');
const dataLine = Buffer.from('data: {');

/**
 * Keeps `connections` requests running over as many kept connections. It reads only as much of an answer as tells its end, so
 * that it costs a few microseconds where a server costs tens.
 * @throws Error at the first answer that is not a 200, or a connection that closes
 */
export function loadHttp1({ port, connections, request, durationMs }: LoadOptions): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const firstBytes: number[] = [];
    const sockets: Socket[] = [];
    let answers = 0;
    let seenEvents = 0;
    let over = false;

    const finish = (error?: Error): void => {
      if (over) return;
      over = true;
      const seconds = (performance.now() - started) / 1_000;
      for (const socket of sockets) socket.destroy();
      if (error !== undefined) return reject(error);
      resolve({ perSecond: answers / seconds, eventsPerSecond: seenEvents / seconds, firstByteMs: median(firstBytes) });
    };

    const open = (): void => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      sockets.push(socket);
      let head: Buffer | undefined;
      let left = -1; // of a body with a length; -1: chunked
      let waiting = true;
      let sentAt = 0;
      const send = (): void => {
        head = Buffer.alloc(0);
        waiting = true;
        sentAt = performance.now();
        socket.write(request);
      };
      socket.once('connect', send);
      socket.on('error', finish);
      socket.on('close', () => finish(new Error(`port ${port} closed a connection`)));
      socket.on('data', (chunk: Buffer) => {
        let body: Buffer = chunk;
        if (head !== undefined) {
          head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
          const end = head.indexOf(headEnd);
          if (end < 0) return;
          const text = head.toString('latin1', 0, end);
          if (!text.startsWith('HTTP/1.1 200')) return finish(new Error(`port ${port} answered:\n${head.toString().slice(0, 600)}`));
          const length = /\r\ncontent-length: (\d+)/i.exec(text);
          left = length === null ? -1 : Number(length[1]);
          body = head.subarray(end + 4);
          head = undefined;
        }
        if (body.length === 0) return;
        if (waiting) {
          waiting = false;
          firstBytes.push(performance.now() - sentAt);
        }
        if (left < 0) {
          for (let at = body.indexOf(dataLine); at >= 0; at = body.indexOf(dataLine, at + 7)) seenEvents++;
          // What these tests send ends in nothing that could be taken for the last chunk.
          if (!body.subarray(-5).equals(chunkedEnd)) return;
        } else if ((left -= body.length) > 0) return;
        answers++;
        if (performance.now() - started >= durationMs) finish();
        else send();
      });
    };
    for (let n = 0; n < connections; n++) open();
  });
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
