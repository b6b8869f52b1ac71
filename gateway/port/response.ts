import type { Bagged } from './bag.ts';
import { ServerResponse, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';

/**
 * An HTTP/1.1 answer that brings its `x-request-id`. Where the header is written at once, which is what lanes do, Node needs no
 * table of headers for it; that table would cost more than all the rest of writing a small answer.
 */
export class PortResponse extends ServerResponse<IncomingMessage> implements Bagged {
  place = -1;
  requestId: string | undefined;
  #hasTable = false;
  #whenClosed: (() => void)[] | undefined;

  /** Calls back when the answer is over, one way or the other. One listener for all: each more of an emitter's own costs a copy of its list. */
  whenClosed(callback: () => void): void {
    if (this.#whenClosed !== undefined) return void this.#whenClosed.push(callback);
    this.#whenClosed = [callback];
    this.on('close', runAll);
  }

  /** For `runAll` alone. */
  takeClosed(): readonly (() => void)[] {
    return this.#whenClosed ?? [];
  }

  override setHeader(name: string, value: number | string | readonly string[]): this {
    this.#hasTable = true;
    return super.setHeader(name, value);
  }

  override getHeader(name: string): number | string | string[] | undefined {
    return super.getHeader(name) ?? (name === 'x-request-id' ? this.requestId : undefined);
  }

  override writeHead(status: number, ...more: any[]): this {
    const { requestId } = this;
    if (requestId === undefined) return super.writeHead(status, ...more);
    const [headers] = more as [OutgoingHttpHeaders?];
    if (more.length === 1 && !this.#hasTable && typeof headers === 'object' && !Array.isArray(headers)) {
      return super.writeHead(status, { ...headers, 'x-request-id': requestId });
    }
    super.setHeader('x-request-id', requestId);
    return super.writeHead(status, ...more);
  }
}

function runAll(this: PortResponse): void {
  for (const callback of this.takeClosed()) callback();
}

/** Calls back when an answer is over, sent or not; also for HTTP/2's imitations of one. */
export function onClosed(response: ServerResponse, callback: () => void): void {
  if (response instanceof PortResponse) response.whenClosed(callback);
  else response.on('close', callback);
}

/**
 * Ends an answer with a text. What is ASCII goes out as Latin-1, the same bytes, which Node writes in one piece with the header
 * and without looking at each character again.
 * @param length of the text in UTF-8, in bytes
 */
export function endText(response: ServerResponse, text: string, length: number): void {
  response.end(text, length === text.length ? 'latin1' : 'utf8');
}
