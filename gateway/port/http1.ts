import { createServer, IncomingMessage, STATUS_CODES, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Bag } from './bag.ts';
import type { Connection } from './connection.ts';
import { discard } from './discard.ts';
import { requestIdFrom } from './call-context.ts';
import type { PortLimits } from './limits.ts';
import { PortResponse } from './response.ts';

export interface Http1Deps {
  limits: PortLimits;
  connectionOf(socket: Duplex): Connection;
  handle(request: IncomingMessage, response: ServerResponse): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Whether a path takes a stream of requests. */
  streamsRequest(url: string): boolean;
}

export interface Http1Side {
  accept(socket: Socket): void;
  /** Connections end with the answers that they are at. */
  goAway(): void;
}

/** The HTTP/1.1 side of the port. Its server never listens: connections are emitted into it. */
export function createHttp1(deps: Http1Deps): Http1Side {
  const open = new Bag<PortResponse>();
  let going = false;
  const server = createServer<typeof IncomingMessage, typeof PortResponse>({
    ServerResponse: PortResponse,
    maxHeaderSize: deps.limits.headerBytes,
    // A missing one gets its answer from the dispatcher, with a text and a request id.
    requireHostHeader: false,
    // Told to clients in `Keep-Alive`, a little earlier than the port's own deadline.
    keepAliveTimeout: Math.floor(deps.limits.idleMs * 0.9),
    // Others, such as `Upgrade: h2c`, may be ignored by a server.
    shouldUpgradeCallback: (request: IncomingMessage) => request.headers.upgrade?.toLowerCase() === 'websocket',
  });
  server.on('request', (request, response) => {
    const { socket } = request;
    const withBody = hasBody(request);
    const call = deps.connectionOf(socket).open({
      body: !withBody ? 'none' : deps.streamsRequest(request.url!) ? 'unbounded' : 'bounded',
      output: response,
      expire() {
        if (response.headersSent) socket.destroy();
        else refuseRaw(socket, 408, 'The request did not arrive in time', response.requestId);
      },
    });
    open.add(response);
    if (going) response.shouldKeepAlive = false;
    if (withBody) request.on('end', () => call.bodyEnded());
    // After its answer a connection goes on with what is left of the body, which is dropped for a while: closing at
    // once would reset the connection, and the client might never see the answer.
    response.whenClosed(() => {
      open.delete(response);
      // For an answer whose header has already promised to keep the connection.
      if (going) socket.destroySoon();
      if (!withBody || request.complete || socket.destroyed) return call.ended();
      call.lingers();
      request.once('end', () => call.ended());
      request.once('close', () => call.ended());
      discard(request);
    });
    deps.handle(request, response);
  });
  // An expectation that is not known may be ignored.
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  server.on('upgrade', (request, socket, head) => deps.upgrade(request, socket, head));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
    const tooLarge = error.code === 'HPE_HEADER_OVERFLOW';
    refuseRaw(socket, tooLarge ? 431 : 400, tooLarge ? `The header must be at most ${deps.limits.headerBytes} bytes` : 'The request is not valid HTTP');
  });
  return {
    accept(socket) {
      server.emit('connection', socket);
      socket.resume();
    },
    goAway() {
      going = true;
      for (const response of open.all()) response.shouldKeepAlive = false;
    },
  };
}

/** Answers where there is no response object to do it with, and ends the connection. */
export function refuseRaw(socket: Duplex, status: number, detail: string, requestId: string = requestIdFrom(undefined), more: Readonly<Record<string, string>> = {}): void {
  if (!socket.writable) return void socket.destroy();
  const body = JSON.stringify({ detail });
  const header = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    'connection: close',
    ...Object.entries(more).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.end(`${header.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

function hasBody(request: IncomingMessage): boolean {
  return request.headers['transfer-encoding'] !== undefined || (request.headers['content-length'] ?? '0') !== '0';
}
