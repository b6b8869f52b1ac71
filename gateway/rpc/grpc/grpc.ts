import type { Message } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { compressionNegotiate, envelopeCompress, envelopeDecompress, type Compression } from '@connectrpc/connect/protocol';
import { contentTypeRegExp, parseTimeout } from '@connectrpc/connect/protocol-grpc';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { ForgeError } from '../../../core/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import { CallSignal } from '../../port/call-signal.ts';
import { compressions } from '../compression.ts';
import { GrpcAnswer } from './answer.ts';
import { binaryCodec, type Codec } from './codec.ts';
import { encodeEnvelope, EnvelopeReader, type Envelope } from './envelope.ts';
import { acceptEncoding } from './metadata.ts';
import { requestPath, type GrpcCall, type GrpcMethod } from './methods.ts';

export interface GrpcLane {
  /** Answers a call, whatever it is. Never throws. @param refused what the port has against it @param caller id of the key */
  handle(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, requestId: string, refused?: ConnectError, caller?: string): void;
}

export interface GrpcDeps {
  methods: readonly GrpcMethod[];
  maxMessageBytes: number;
  logger: Logger;
  closing: AbortSignal;
}

/** Smaller messages are not worth the work. */
const compressMinBytes = 1024;

/** Whether a request is gRPC proper; gRPC-Web has content types of its own. */
export function isGrpc(headers: IncomingHttpHeaders): boolean {
  const type = headers['content-type'];
  return type === 'application/grpc' || (type !== undefined && contentTypeRegExp.test(type));
}

/**
 * gRPC (PROTOCOL-HTTP2.md of grpc/grpc) straight on HTTP/2 streams: the objects that imitate HTTP/1.1, and Connect's chain of
 * iterators, cost several times what a call itself does.
 */
export function createGrpc(deps: GrpcDeps): GrpcLane {
  const methods = new Map(deps.methods.map((method) => [requestPath(method.desc), method]));
  return {
    handle(stream, headers, requestId, refused, caller = 'anonymous') {
      const path = headers[':path'] ?? '';
      const method = methods.get(path);
      const over = new CallSignal(method?.draining === undefined ? [deps.closing] : [deps.closing, method.draining]);
      const timeout = parseTimeout(headers['grpc-timeout'] as string | undefined ?? null, Number.MAX_SAFE_INTEGER);
      const compression = negotiate(headers);
      const call: GrpcCall = { path, headers, requestId, caller, timeoutMs: timeout.timeoutMs, over, responseHeader: undefined, responseTrailer: undefined };
      const isJson = headers['content-type']!.startsWith('json', 'application/grpc+'.length);
      const answer = new GrpcAnswer(stream, call, isJson ? 'application/grpc+json' : 'application/grpc+proto', compression.response?.name);

      let timer: NodeJS.Timeout | undefined;
      stream.on('close', () => {
        clearTimeout(timer);
        if (answer.isFinished) over.ended();
        else over.abort(new ForgeError('cancelled', 'The client went away'));
      });
      if (headers[':method'] !== 'POST') return stream.closed ? undefined : stream.respond({ ':status': 405, allow: 'POST', 'x-request-id': requestId }, { endStream: true });
      const early = refused ?? (method === undefined ? new ConnectError(`no such method: ${path.slice(1, 200)}`, Code.Unimplemented) : (compression.error ?? timeout.error));
      if (early !== undefined || method === undefined) return answer.fail(early!);
      if (timeout.timeoutMs !== undefined) {
        const expire = (): void => {
          const late = new ConnectError('the operation timed out', Code.DeadlineExceeded);
          over.abort(late);
          answer.fail(late);
        };
        // Longer than a timer can be set is as good as never.
        if (timeout.timeoutMs <= 0x7fff_ffff) timer = setTimeout(expire, timeout.timeoutMs);
      }
      const fail = (thrown: unknown): void => {
        const error = thrown instanceof ConnectError ? thrown : new ConnectError('internal error', Code.Internal, undefined, undefined, thrown);
        if (error !== thrown && !answer.isOver) deps.logger.error('a gRPC call failed', { requestId, path, error: thrown });
        answer.fail(error);
      };
      const codec = isJson ? method.json : binaryCodec;
      const messages = new Messages(method, codec, compression, deps.maxMessageBytes);
      const { methodKind } = method.desc;
      if (methodKind === 'client_streaming' || methodKind === 'bidi_streaming') return void sendAll(method.stream!(messages.all(stream), call), messages, answer).catch(fail);
      messages.one(stream, fail, (request) => {
        const done = method.unary === undefined ? sendAll(method.stream!(request, call), messages, answer) : sendOne(method.unary(request, call), messages, answer);
        done.catch(fail);
      });
    },
  };
}

async function sendOne(result: Promise<Message>, messages: Messages, answer: GrpcAnswer): Promise<void> {
  const envelope = messages.encode(await result);
  answer.end(envelope instanceof Promise ? await envelope : envelope);
}

async function sendAll(results: AsyncIterable<Message>, messages: Messages, answer: GrpcAnswer): Promise<void> {
  for await (const result of results) {
    if (answer.isOver) return;
    await answer.send(await messages.encode(result));
  }
  answer.end();
}

interface Negotiated {
  request: Compression | null;
  response: Compression | null;
  error?: ConnectError | undefined;
}
const plain: Negotiated = { request: null, response: null };

function negotiate(headers: IncomingHttpHeaders): Negotiated {
  const requested = headers['grpc-encoding'] as string | undefined;
  const accepted = headers[acceptEncoding] as string | undefined;
  if ((requested === undefined || requested === 'identity') && (accepted === undefined || accepted === 'identity')) return plain;
  return compressionNegotiate(compressions, requested ?? null, accepted ?? null, acceptEncoding);
}

/** The messages of one call, between bytes and objects. */
class Messages {
  readonly #method: GrpcMethod;
  readonly #codec: Codec;
  readonly #compression: Negotiated;
  readonly #maxBytes: number;

  constructor(method: GrpcMethod, codec: Codec, compression: Negotiated, maxBytes: number) {
    this.#method = method;
    this.#codec = codec;
    this.#compression = compression;
    this.#maxBytes = maxBytes;
  }

  encode(message: Message): Buffer | Promise<Buffer> {
    const data = this.#codec.encode(this.#method.desc.output, message);
    const { response } = this.#compression;
    if (response === null) return encodeEnvelope(0, data);
    return envelopeCompress({ flags: 0, data: data as Uint8Array<ArrayBuffer> }, response, compressMinBytes).then((envelope) => encodeEnvelope(envelope.flags, envelope.data));
  }

  #decode(envelope: Envelope): Message | Promise<Message> {
    const { input } = this.#method.desc;
    if (envelope.flags === 0) return this.#codec.decode(input, envelope.data);
    return envelopeDecompress({ flags: envelope.flags, data: new Uint8Array(envelope.data) }, this.#compression.request, this.#maxBytes).then(({ data }) => this.#codec.decode(input, data));
  }

  /** Reads exactly one message. Without promises where it is not compressed: this is what most calls are. */
  one(stream: ServerHttp2Stream, fail: (error: unknown) => void, taken: (message: Message) => void): void {
    const reader = new EnvelopeReader(this.#maxBytes);
    const kind = this.#method.desc.methodKind;
    let only: Envelope | undefined;
    let over = false;
    const refuse = (error: unknown): void => {
      over = true;
      fail(error);
    };
    stream.on('data', (chunk: Buffer) => {
      if (over) return;
      try {
        for (const envelope of reader.push(chunk)) {
          if (only !== undefined) throw new ConnectError(`protocol error: received extra input message for ${kind} method`, Code.Unimplemented);
          only = envelope;
        }
      } catch (error) {
        refuse(error);
      }
    });
    stream.on('end', () => {
      if (over || stream.aborted) return;
      try {
        reader.end();
        if (only === undefined) throw new ConnectError(`protocol error: missing input message for ${kind} method`, Code.Unimplemented);
        const message = this.#decode(only);
        if (message instanceof Promise) message.then(taken).catch(refuse);
        else taken(message);
      } catch (error) {
        refuse(error);
      }
    });
  }

  /** Reads messages as they are taken: the client is held back by the window of its stream. */
  async *all(stream: ServerHttp2Stream): AsyncGenerator<Message> {
    const reader = new EnvelopeReader(this.#maxBytes);
    // A method that has read enough must not destroy the stream, which still has to carry the answer.
    for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      for (const envelope of reader.push(chunk)) yield await this.#decode(envelope);
    }
    reader.end();
  }
}
