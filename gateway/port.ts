import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect';
import type { Duplex } from 'node:stream';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { ForgeError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { Gate } from './access/gate.ts';
import type { ServiceRoute } from './method.ts';
import type { RequestMetrics } from './metrics/requests.ts';
import { createConnection, type Connection } from './port/connection.ts';
import { createDispatch, type RawHandler, type UpgradeHandler } from './port/dispatch.ts';
import { createHttp1, refuseRaw } from './port/http1.ts';
import { createHttp2 } from './port/http2.ts';
import { defaultLimits, type PortLimits } from './port/limits.ts';
import type { Allowed } from './port/origin.ts';
import { sniff } from './port/sniff.ts';
import { createRest } from './rest/rest.ts';
import type { HealthProbe } from './rpc/health.ts';
import { createRpc } from './rpc/rpc.ts';

export type { RawHandler, UpgradeHandler } from './port/dispatch.ts';

export interface PortDeps {
  routes: readonly ServiceRoute[];
  /** Handlers that are asked before the routes: true means "mine". */
  raw: readonly RawHandler[];
  websocket: UpgradeHandler;
  /** Who may come in, and how many at once; absent: all. */
  gate?: Gate;
  /** For the gRPC health service. */
  health?: HealthProbe;
  /** Whether a path is one of uploads: like a stream of requests, they may take their time as long as they do not fall silent. */
  uploads?(path: string): boolean;
  /** More services in Connect's own form, served by RPC alone. */
  mount?: (router: ConnectRouter) => void;
  limits?: Partial<PortLimits>;
  /** Names under which the port may be called beside the loopback ones and the host it listens on. */
  hosts?: readonly string[];
  /** Origins of pages of other hosts that may call: `scheme://host[:port]`. */
  origins?: readonly string[];
  /** Where answers are counted. */
  metrics?: Pick<RequestMetrics, 'watch' | 'count' | 'countCall'>;
  logger: Logger;
}

export interface Port {
  /** @param port 0 for any that is free */
  listen(host: string, port: number): Promise<{ host: string; port: number }>;
  /** Refuses new connections, ends streams, lets requests finish for `drainMs`, closes all. The same promise each time. */
  stop(): Promise<void>;
}

/** The one port: HTTP/1.1 (REST, Connect, gRPC-Web, WebSocket) and HTTP/2 (the same, and gRPC), told apart by the first bytes. */
export function createPort(deps: PortDeps): Port {
  const limits: PortLimits = { ...defaultLimits, ...deps.limits };
  const clock = (): number => performance.now();
  const connections = new Map<Duplex, Connection>();
  const draining = new AbortController();
  const closing = new AbortController();
  const allowed: Allowed = { hosts: new Set(deps.hosts), origins: new Set(deps.origins) };
  const { bodyBytes } = limits;
  const rpc = createRpc({
    routes: deps.routes,
    health: deps.health ?? (() => Promise.resolve('SERVING')),
    mount: deps.mount,
    bodyBytes,
    logger: deps.logger,
    draining: draining.signal,
    closing: closing.signal,
  });
  const rest = createRest({ routes: deps.routes, bodyBytes, logger: deps.logger, closing: closing.signal });
  const dispatch = createDispatch({ raw: deps.raw, rpc, rest, websocket: deps.websocket, gate: deps.gate, allowed, ...(deps.metrics === undefined ? {} : { metrics: deps.metrics }), logger: deps.logger });

  const connectionOf = (socket: Duplex): Connection => connections.get(socket)!;
  const streamsRequest = (url: string): boolean => {
    const path = url.split('?', 1)[0]!;
    return deps.uploads?.(path) === true || rpc.find(path)?.streamsRequest === true;
  };
  const http1 = createHttp1({
    limits,
    connectionOf,
    handle: dispatch.request,
    upgrade(request, socket, head) {
      connectionOf(socket).release();
      dispatch.upgrade(request, socket, head);
    },
    streamsRequest,
  });
  const http2 = createHttp2({ limits, connectionOf, handle: dispatch.request, grpc: dispatch.grpc, streamsRequest });

  const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 }, (socket) => accept(socket));
  const accept = (socket: Socket): void => {
    if (connections.size >= limits.connections || draining.signal.aborted) return void socket.destroy();
    connections.set(socket, createConnection(socket, limits, clock));
    // A reset is the client's right; the lanes learn of it by `close`.
    socket.on('error', () => undefined);
    socket.once('close', () => connections.delete(socket));
    sniff(socket, (protocol) => (protocol === 'http2' ? http2 : http1).accept(socket));
  };
  const sweep = (): void => {
    const now = clock();
    for (const { socket, check } of connections.values()) {
      const verdict = check(now);
      if (verdict === 'late') refuseRaw(socket, 408, 'The request did not arrive in time');
      else if (verdict === 'idle') socket.destroy();
    }
  };
  const shortest = Math.min(limits.headerMs, limits.bodyMs, limits.idleMs, limits.stallMs, limits.lingerMs);
  // After what has arrived is read: time that the process itself has lost is not the client's fault.
  const sweeper = setInterval(() => setImmediate(sweep), Math.max(10, Math.min(1000, shortest / 4)));
  sweeper.unref();

  const close = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => (server.listening ? server.close(() => resolve()) : resolve()));
    draining.abort(new ForgeError('unavailable', 'The service is going down'));
    http1.goAway();
    http2.goAway();
    for (const connection of connections.values()) if (connection.isIdle()) connection.socket.destroySoon();
    await within(limits.drainMs, closed);
    closing.abort(new ConnectError('the service is going down', Code.Unavailable));
    // What was just aborted may still say so.
    await within(200, closed);
    for (const socket of connections.keys()) socket.destroy();
    await closed;
    clearInterval(sweeper);
  };
  let stopped: Promise<void> | undefined;

  return {
    listen(host, port) {
      allowed.hosts.add(host);
      return new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host, port }, () => {
          server.off('error', reject);
          server.on('error', (error) => deps.logger.error('the port has a fault', { error }));
          const address = server.address() as AddressInfo;
          resolve({ host: address.address, port: address.port });
        });
      });
    },
    stop: () => (stopped ??= close()),
  };
}

/** Waits for the promise, but no longer than `ms`. */
async function within(ms: number, promise: Promise<void>): Promise<void> {
  const over = Promise.withResolvers<void>();
  const timer = setTimeout(over.resolve, ms);
  await Promise.race([promise, over.promise]);
  clearTimeout(timer);
}
