import { ServerResponse, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';

/**
 * An HTTP/1.1 answer that brings its `x-request-id`. Where the header is written at once, which is what lanes do, Node needs no
 * table of headers for it; that table would cost more than all the rest of writing a small answer.
 */
export class PortResponse extends ServerResponse<IncomingMessage> {
  requestId: string | undefined;
  #hasTable = false;

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
