import type { Socket } from 'node:net';

/** How an HTTP/2 client with prior knowledge begins (RFC 9113, section 3.4). */
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/**
 * Looks at a connection's first bytes and puts them back; the socket is left paused. As few as one byte decides for HTTP/1.1; HTTP/2 needs the
 * whole preface. A connection that ends before is destroyed; one that sends nothing is the caller's to end.
 */
export function sniff(socket: Socket, decided: (protocol: 'http1' | 'http2') => void): void {
  let seen: Buffer = Buffer.alloc(0);
  const finish = (protocol?: 'http1' | 'http2'): void => {
    socket.off('data', onData);
    socket.off('end', onEnd);
    if (protocol === undefined) return void socket.destroy();
    socket.pause();
    socket.unshift(seen);
    decided(protocol);
  };
  const onData = (chunk: Buffer): void => {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const length = Math.min(seen.length, preface.length);
    if (!seen.subarray(0, length).equals(preface.subarray(0, length))) finish('http1');
    else if (length === preface.length) finish('http2');
  };
  const onEnd = (): void => finish();
  socket.on('data', onData);
  socket.on('end', onEnd);
}
