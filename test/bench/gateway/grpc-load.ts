import { connect } from 'node:net';

const frameType = { data: 0, headers: 1, settings: 4, ping: 6, goAway: 7, windowUpdate: 8, reset: 3 } as const;
const endStream = 1, endHeaders = 4, ack = 1;

/**
 * Unary gRPC calls over one connection of bare HTTP/2 frames (RFC 9113), `streams` at a time: request headers are made
 * once and answers' headers are never decoded, which makes it many times faster than a server. An answer counts when
 * its data has the length of `expected`.
 * @param message the request, serialized
 * @param expected bytes of the answer's message
 * @returns calls a second
 */
export function loadGrpc(options: { port: number; path: string; message: Uint8Array; expected: number; streams: number; durationMs: number }): Promise<number> {
  const { port, message, expected, streams, durationMs } = options;
  const framed = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
  const block = headerBlock([
    [':method', 'POST'], [':scheme', 'http'], [':path', options.path], [':authority', `127.0.0.1:${port}`],
    ['content-type', 'application/grpc'], ['te', 'trailers'], ['user-agent', 'bench/1'], ['grpc-accept-encoding', 'identity'],
  ]);
  const call = Buffer.concat([frame(frameType.headers, endHeaders, 1, block), frame(frameType.data, endStream, 1, framed)]);
  const dataAt = 9 + block.length + 5;

  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const started = performance.now();
    let rest: Buffer = Buffer.alloc(0);
    let nextId = 1;
    let done = 0;
    let received = 0;
    let over = false;
    const lengths = new Map<number, number>();
    const finish = (error?: Error): void => {
      if (over) return;
      over = true;
      socket.destroy();
      if (error !== undefined) reject(error);
      else resolve(done / ((performance.now() - started) / 1_000));
    };
    const next = (): Buffer => {
      const bytes = Buffer.from(call);
      bytes.writeUInt32BE(nextId, 5);
      bytes.writeUInt32BE(nextId, dataAt);
      nextId += 2;
      return bytes;
    };
    socket.on('error', finish);
    socket.on('close', () => finish(new Error(`port ${port} closed the connection`)));
    socket.once('connect', () => {
      socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(frameType.settings, 0, 0, Buffer.alloc(0)), windowUpdate(0x3fff_0000), ...Array.from({ length: streams }, next)]));
    });
    socket.on('data', (chunk: Buffer) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const out: Buffer[] = [];
      let at = 0;
      while (bytes.length - at >= 9) {
        const length = bytes.readUIntBE(at, 3);
        if (bytes.length - at < 9 + length) break;
        const type = bytes[at + 3]!;
        const flags = bytes[at + 4]!;
        const id = bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
        if (type === frameType.settings && (flags & ack) === 0) out.push(frame(frameType.settings, ack, 0, Buffer.alloc(0)));
        else if (type === frameType.ping && (flags & ack) === 0) out.push(frame(frameType.ping, ack, 0, bytes.subarray(at + 9, at + 9 + length)));
        else if (type === frameType.goAway || type === frameType.reset) return finish(new Error(`port ${port} ended a call (frame type ${type})`));
        else if (type === frameType.data) {
          lengths.set(id, (lengths.get(id) ?? 0) + length);
          received += length;
        }
        if ((type === frameType.headers || type === frameType.data) && (flags & endStream) !== 0) {
          if (lengths.get(id) !== expected + 5) return finish(new Error(`port ${port} answered a call with ${lengths.get(id)} bytes instead of ${expected + 5}`));
          lengths.delete(id);
          done++;
          if (performance.now() - started >= durationMs) return finish();
          out.push(next());
        }
        at += 9 + length;
      }
      rest = bytes.subarray(at);
      if (received > 0x1000_0000) {
        out.push(windowUpdate(received));
        received = 0;
      }
      if (out.length > 0) socket.write(Buffer.concat(out));
    });
  });
}

function frame(type: number, flags: number, id: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}

function windowUpdate(bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return frame(frameType.windowUpdate, 0, 0, payload);
}

/** HPACK literals that are not indexed (RFC 7541, section 6.2.2), so that the block is the same for each call. */
function headerBlock(fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]));
}
