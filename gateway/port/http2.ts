import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, createServer, type Http2Server, type ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import type { Connection } from './connection.ts';
import { discard } from './discard.ts';
import type { PortLimits } from './limits.ts';

export interface Http2Deps {
  limits: PortLimits;
  connectionOf(socket: Socket): Connection;
  handle(request: IncomingMessage, response: ServerResponse): void;
  streamsRequest(url: string): boolean;
}

export interface Http2Side {
  accept(socket: Socket): void;
  /** Tells all clients to go, and lets open streams finish. */
  goAway(): void;
}

/** The HTTP/2 side of the port (prior knowledge, no TLS). It never listens: connections are emitted into it. */
export function createHttp2(deps: Http2Deps): Http2Side {
  const sessions = new Set<ServerHttp2Session>();
  const connections = new WeakMap<ServerHttp2Session, Connection>();
  const server: Http2Server = createServer({
    maxSessionMemory: 16,
    settings: { maxConcurrentStreams: deps.limits.streams, maxHeaderListSize: deps.limits.headerBytes },
  });
  let accepting: Connection | undefined;
  server.on('session', (session) => {
    sessions.add(session);
    connections.set(session, accepting!);
    session.once('close', () => sessions.delete(session));
    // Without a listener a protocol error of a client would end the process; the session ends by itself.
    session.on('error', () => undefined);
  });
  server.on('request', (request, response) => {
    const { stream } = response;
    const connection = stream.session && connections.get(stream.session as ServerHttp2Session);
    if (connection === undefined) return void stream.close(constants.NGHTTP2_CANCEL);
    const call = connection.open({
      body: stream.endAfterHeaders ? 'none' : deps.streamsRequest(request.url) ? 'unbounded' : 'bounded',
      output: stream,
      expire: () => stream.close(constants.NGHTTP2_CANCEL),
    });
    stream.on('error', () => undefined);
    let complete = stream.endAfterHeaders;
    stream.once('end', () => {
      complete = true;
      call.bodyEnded();
    });
    // As in HTTP/1.1, the rest of a body that nobody wants is dropped for a while. To reset the stream at once, which
    // HTTP/2 allows, would make clients miss the answer (tried with connect-node).
    stream.once('finish', () => {
      if (complete) return;
      call.lingers();
      discard(request);
    });
    stream.once('close', () => call.ended());
    // The compatibility objects are close enough to those of HTTP/1.1 for what the lanes do with them.
    deps.handle(request as unknown as IncomingMessage, response as unknown as ServerResponse);
  });
  return {
    goAway: () => sessions.forEach((session) => session.close()),
    accept(socket) {
      // The half-open connections that HTTP/1.1 allows have no meaning here.
      socket.allowHalfOpen = false;
      accepting = deps.connectionOf(socket);
      accepting.framed();
      server.emit('connection', socket);
      accepting = undefined;
    },
  };
}
