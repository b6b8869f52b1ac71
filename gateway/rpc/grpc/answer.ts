import type { ConnectError } from '@connectrpc/connect';
import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { drained } from '../../port/drained.ts';
import { addHeaders, errorTrailers } from './metadata.ts';
import type { GrpcCall } from './methods.ts';

const ok = { 'grpc-status': '0' };

/** The answer to one call: a header, messages, and the trailers that tell how it went. */
export class GrpcAnswer {
  readonly #stream: ServerHttp2Stream;
  readonly #call: GrpcCall;
  readonly #contentType: string;
  #encoding: string | undefined;
  #trailers: OutgoingHttpHeaders = ok;
  #finished = false;

  /** @param encoding name of the compression that messages may have */
  constructor(stream: ServerHttp2Stream, call: GrpcCall, contentType: string, encoding: string | undefined) {
    this.#stream = stream;
    this.#call = call;
    this.#contentType = contentType;
    this.#encoding = encoding;
  }

  get isFinished(): boolean {
    return this.#finished;
  }

  /** Whether its end was written, or nobody can take it any more. */
  get isOver(): boolean {
    return this.#finished || this.#stream.destroyed || this.#stream.closed;
  }

  /** Writes one message; waits until there is room for another. */
  async send(envelope: Buffer): Promise<void> {
    this.#respond();
    if (this.#stream.write(envelope) || this.#stream.destroyed) return;
    await drained(this.#stream);
  }

  /** The last message, and that all went well. */
  end(last?: Buffer): void {
    if (this.isOver) return;
    this.#respond();
    this.#finish(addHeaders({ 'grpc-status': '0' }, this.#call.responseTrailer), last);
  }

  fail(error: ConnectError): void {
    if (this.isOver) return;
    const trailers = addHeaders(errorTrailers(error), this.#call.responseTrailer);
    const { responseHeader } = this.#call;
    if (this.#stream.headersSent || (responseHeader !== undefined && !responseHeader.keys().next().done)) {
      this.#respond();
      return this.#finish(trailers);
    }
    // Trailers-Only: an error before any answer is one header block.
    this.#finished = true;
    this.#stream.respond({ ':status': 200, 'content-type': this.#contentType, 'x-request-id': this.#call.requestId, ...trailers }, { endStream: true });
  }

  #respond(): void {
    const stream = this.#stream;
    if (stream.headersSent || stream.destroyed || stream.closed) return;
    const headers: OutgoingHttpHeaders = { ':status': 200, 'content-type': this.#contentType, 'x-request-id': this.#call.requestId };
    if (this.#encoding !== undefined) headers['grpc-encoding'] = this.#encoding;
    addHeaders(headers, this.#call.responseHeader);
    stream.respond(headers, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers(this.#trailers));
  }

  #finish(trailers: OutgoingHttpHeaders, last?: Buffer): void {
    this.#finished = true;
    this.#trailers = trailers;
    if (last === undefined) this.#stream.end();
    else this.#stream.end(last);
  }
}
