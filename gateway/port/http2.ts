import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, createServer, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import type { Connection } from './connection.ts';
import { isGrpc } from '../rpc/grpc/grpc.ts';
import { discard } from './discard.ts';
import type { PortLimits } from './limits.ts';

export interface Http2Deps {
  limits: PortLimits;
  connectionOf(socket: Socket): Connection;
  handle(request: IncomingMessage, response: ServerResponse): void;
  /** gRPC, which needs no imitation of HTTP/1.1's objects. */
  grpc(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void;
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
  /** @param body what is read of the stream: itself, or the request object around it */
  const open = (stream: ServerHttp2Stream, path: string, body: Readable): boolean => {
    const connection = stream.session && connections.get(stream.session as ServerHttp2Session);
    if (connection === undefined) {
      stream.close(constants.NGHTTP2_CANCEL);
      return false;
    }
    let complete = stream.endAfterHeaders;
    const call = connection.open({
      body: complete ? 'none' : deps.streamsRequest(path) ? 'unbounded' : 'bounded',
      output: stream,
      expire: () => stream.close(constants.NGHTTP2_CANCEL),
    });
    stream.on('error', () => undefined);
    stream.on('end', () => {
      complete = true;
      call.bodyEnded();
    });
    // As in HTTP/1.1, the rest of a body that nobody wants is dropped for a while. To reset the stream at once, which
    // HTTP/2 allows, would make clients miss the answer (tried with connect-node).
    stream.on('finish', () => {
      if (complete) return;
      call.lingers();
      discard(body);
    });
    stream.on('close', () => call.ended());
    return true;
  };
  server.on('request', (request, response) => {
    // The compatibility objects are close enough to those of HTTP/1.1 for what the lanes do with them.
    if (open(response.stream, request.url, request)) deps.handle(request as unknown as IncomingMessage, response as unknown as ServerResponse);
  });
  // What makes those objects is itself a listener for streams: gRPC is taken before it.
  const imitate = server.listeners('stream') as ((...args: unknown[]) => void)[];
  server.removeAllListeners('stream');
  server.on('stream', (stream, headers, ...more) => {
    if (!isGrpc(headers)) return imitate.forEach((listener) => listener.call(server, stream, headers, ...more));
    if (open(stream, headers[':path'] ?? '', stream)) deps.grpc(stream, headers);
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
