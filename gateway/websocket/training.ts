import type { Duplex } from 'node:stream';
import { create } from '@bufbuild/protobuf';
import { WebSocketServer, type WebSocket } from 'ws';
import { ForgeError, invalid, type ErrorCode } from '../../core/errors.ts';
import { WatchJobLogsRequestSchema, WatchJobLogsResponseSchema, WatchJobResponseSchema, type JobService, type WatchJobResponse } from '../../core/gen/aiforge/v1/job_pb.ts';
import { WatchRetrainRequestSchema, WatchRetrainResponseSchema, type RetrainService } from '../../core/gen/aiforge/v1/retrain_pb.ts';
import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import type { Logger } from '../../core/logger.ts';
import type { Sink } from '../feed/followers.ts';
import type { CallContext, Method } from '../method.ts';
import { createCallContext, requestIdFrom } from '../port/call-context.ts';
import { callerOf } from '../port/caller.ts';
import type { UpgradeHandler } from '../port/dispatch.ts';
import { shown } from '../port/error-status.ts';
import { refuseRaw } from '../port/http1.ts';
import { encodeMessage } from '../rest/encode.ts';
import { decodeSegment } from '../rest/path-segment.ts';
import { gather } from './gather.ts';
import { keepAlive } from './keep-alive.ts';
import { defaultSocketLimits, type SocketLimits } from './limits.ts';
import { createRunFrames } from './run-frames.ts';
import { Sender, TooSlow } from './sender.ts';
import { textFrame } from './text-frame.ts';

export interface TrainingSocket {
  /** For the port: answers the upgrade of `/ws/training/{job_id}` and `/ws/training/{job_id}/logs`, and refuses others with 404. */
  handle: UpgradeHandler;
  /** Closes all with 1001. To be called before the port stops. */
  stop(): Promise<void>;
}

export interface TrainingSocketDeps {
  /** A job's feed, as `createFeeds().follow` tells it: thousands may watch one job. */
  followJob(jobId: string, after: string, signal: AbortSignal, sink: Sink): Promise<void>;
  watchJobLogs: Method<typeof JobService.method.watchJobLogs>;
  watchRetrain: Method<typeof RetrainService.method.watchRetrain>;
  logger: Logger;
  limits?: Partial<SocketLimits>;
}

const path = /^\/ws\/training\/([^/]+?)(\/logs)?$/;

const retrySoon = { 'retry-after': '2' };

const loggedKinds = { train: TaskKind.TRAIN, evaluate: TaskKind.EVALUATE, export: TaskKind.EXPORT } as const;

interface Asked {
  jobId: string;
  logs: boolean;
  after: string;
  kind?: TaskKind;
}

/** Pipelines have ids of their own kind. */
const isPipeline = (id: string): boolean => id.startsWith('agent_');

/**
 * The feed of one job or pipeline over WebSocket: each message of `WatchJob`, `WatchRetrain` or (below `/logs`) `WatchJobLogs` as one JSON object, after
 * `?after=<cursor>` or from the start. Closes with 1000 after the last; 4404: no such job; 4400: the cursor or another parameter is wrong; 1013: the
 * client did not read; 1001: the service goes down; 1011: a fault of the service.
 */
export function createTrainingSocket(deps: TrainingSocketDeps): TrainingSocket {
  const limits: SocketLimits = { ...defaultSocketLimits, ...deps.limits };
  const server = new WebSocketServer({ noServer: true, maxPayload: limits.payloadBytes, perMessageDeflate: false, clientTracking: true });
  const beat = keepAlive(limits.pingMs);
  let stopping = false;
  server.on('headers', (headers, request) => void headers.push(`x-request-id: ${request.headers['x-request-id'] as string}`));

  const jobFrames = createRunFrames((update: WatchJobResponse) => encodeMessage(WatchJobResponseSchema, update));
  /** Sends all that there is; what comes late to one that went away is not looked at. */
  const tell = async (socket: WebSocket, raw: Duplex, asked: Asked, context: CallContext): Promise<void> => {
    if (!asked.logs && !isPipeline(asked.jobId)) return deps.followJob(asked.jobId, asked.after, context.signal, new Sender(socket, raw, limits, jobFrames));
    const sender = new Sender(socket, raw, limits, (text: string) => [textFrame(text)]);
    const beforeEach = gather(raw);
    for await (const text of texts(asked, context)) {
      if (context.signal.aborted) return;
      beforeEach();
      const waiting = sender.take(text);
      if (waiting !== undefined) await waiting;
    }
  };
  async function* texts(asked: Asked, context: CallContext): AsyncIterable<string> {
    if (asked.logs) {
      for await (const update of deps.watchJobLogs(create(WatchJobLogsRequestSchema, asked), context)) yield encodeMessage(WatchJobLogsResponseSchema, update);
    } else {
      for await (const update of deps.watchRetrain(create(WatchRetrainRequestSchema, asked), context)) yield encodeMessage(WatchRetrainResponseSchema, update);
    }
  }
  const feed = async (socket: WebSocket, raw: Duplex, jobId: string, logs: boolean, query: URLSearchParams, requestId: string, caller: string): Promise<void> => {
    const gone = new AbortController();
    socket.once('close', () => gone.abort(new ForgeError('cancelled', 'The client went away')));
    try {
      await tell(socket, raw, { jobId: decodeSegment(jobId, 'job_id'), logs, ...parameters(query, logs) }, createCallContext(gone, requestId, undefined, caller));
      if (gone.signal.aborted) return;
      close(socket, 1000, 'the job has ended');
    } catch (thrown) {
      if (gone.signal.aborted) return;
      if (thrown instanceof TooSlow) return cutOff(socket, thrown.message);
      const { error, log } = shown(thrown, requestId);
      if (log) deps.logger.error('a feed failed', { requestId, error: thrown });
      close(socket, closeCode(error.code), error.message);
    }
  };
  const cutOff = (socket: WebSocket, reason: string): void => {
    close(socket, 1013, reason);
    setTimeout(() => socket.terminate(), limits.closeMs).unref();
  };

  return {
    handle(request, socket, head) {
      const requestId = requestIdFrom(request.headers['x-request-id'] as string | undefined);
      const url = URL.parse(`http://localhost${request.url}`);
      const [, jobId, logs] = (url && path.exec(url.pathname)) ?? [];
      if (url === null || !jobId) return refuseRaw(socket, 404, 'No such WebSocket; there are /ws/training/{job_id} and /ws/training/{job_id}/logs', requestId);
      if (stopping) return refuseRaw(socket, 503, 'The service is going down', requestId, retrySoon);
      if (server.clients.size >= limits.clients) return refuseRaw(socket, 429, 'Too many WebSockets are open', requestId, retrySoon);
      request.headers['x-request-id'] = requestId;
      server.handleUpgrade(request, socket, head, (client) => {
        // Breaches of the protocol close the socket by themselves; what a client sends is ignored.
        client.on('error', () => undefined);
        beat.watch(client);
        void feed(client, socket, jobId, logs !== undefined, url.searchParams, requestId, callerOf(request));
      });
    },
    async stop() {
      stopping = true;
      beat.stop();
      const closed = [...server.clients].map((client) => new Promise((resolve) => client.once('close', resolve)));
      for (const client of server.clients) client.close(1001, 'the service is going down');
      const timer = setTimeout(() => server.clients.forEach((client) => client.terminate()), limits.closeMs);
      await Promise.all(closed);
      clearTimeout(timer);
    },
  };
}

function closeCode(code: ErrorCode): number {
  if (code === 'not_found') return 4404;
  if (code === 'invalid_argument') return 4400;
  return code === 'unavailable' ? 1013 : 1011;
}

/** A reason has at most 123 bytes (RFC 6455, section 5.5). */
function close(socket: WebSocket, code: number, reason: string): void {
  const bytes = Buffer.from(reason).subarray(0, 123);
  socket.close(code, bytes.toString('utf8').replace(/\ufffd+$/, ''));
}

function parameters(query: URLSearchParams, logs: boolean): { after: string; kind?: TaskKind } {
  const known = logs ? ['after', 'kind'] : ['after'];
  for (const name of query.keys()) {
    if (!known.includes(name)) throw invalid(name.slice(0, 60), `no such parameter; known: ${known.join(', ')}`);
    if (query.getAll(name).length > 1) throw invalid(name, 'stands twice');
  }
  const kind = query.get('kind');
  if (kind !== null && !Object.hasOwn(loggedKinds, kind)) throw invalid('kind', `must be one of ${Object.keys(loggedKinds).join(', ')}`);
  return { after: query.get('after') ?? '', ...(kind === null ? {} : { kind: loggedKinds[kind as keyof typeof loggedKinds] }) };
}
