import { connect, type ClientHttp2Session } from 'node:http2';
import { Pool } from 'undici';
import type { FuzzRequest } from './routes.ts';

/** How long an answer may take; streams without an end are left as soon as they have begun. */
const answerMs = 20_000;
const streamMs = 200;
const quietMs = 1_000;

export interface Sender {
  /** @returns what is wrong with the answer, or undefined */
  send(request: FuzzRequest): Promise<string | undefined>;
  close(): Promise<void>;
}

/** gRPC's codes that blame the server: UNKNOWN, UNAVAILABLE, DATA_LOSS, and INTERNAL except for frames that no server could read. */
function blames(code: string, message: string): boolean {
  return ['2', '14', '15'].includes(code) || (code === '13' && !/compressed envelope/.test(message));
}

/** 501 and 505 say that what was asked for is not to be had, which is the answer to that. */
function isFault(status: number): boolean {
  return status >= 500 && status !== 501 && status !== 505;
}

export function createSender(url: string, connections: number): Sender {
  const pool = new Pool(url, { connections, headersTimeout: answerMs, bodyTimeout: answerMs });
  let session: ClientHttp2Session | undefined;
  const sessionNow = (): ClientHttp2Session => {
    if (session === undefined || session.closed || session.destroyed) session = connect(url).on('error', () => undefined);
    return session;
  };

  const sendHttp1 = async ({ verb, path, headers, body, streams }: FuzzRequest): Promise<string | undefined> => {
    try {
      const answer = await pool.request({ method: verb as 'GET', path, headers, ...(streams === true && { headersTimeout: quietMs }), ...(body !== undefined && !['GET', 'HEAD'].includes(verb) && { body }) });
      const timer = setTimeout(() => answer.body.destroy(), streamMs);
      let text = '';
      try {
        for await (const chunk of answer.body) if (text.length < 2_000) text += String(chunk);
      } catch {
        // It was left.
      } finally {
        clearTimeout(timer);
      }
      // A deadline that the client itself has set is no fault.
      if (answer.statusCode === 504 && headers['connect-timeout-ms'] !== undefined) return undefined;
      return isFault(answer.statusCode) ? `${answer.statusCode} ${text.slice(0, 500)}` : undefined;
    } catch (error) {
      const { code } = error as { code?: string };
      // A feed of what has not happened yet has no header either.
      if (streams === true && code === 'UND_ERR_HEADERS_TIMEOUT') return undefined;
      // The server may close a connection whose request it has refused; and undici does not send what is no HTTP.
      return ['UND_ERR_SOCKET', 'UND_ERR_INVALID_ARG', 'ECONNRESET', 'EPIPE'].includes(code ?? '') ? undefined : `no answer: ${(error as Error).message}`;
    }
  };

  const sendGrpc = ({ path, headers, body, streams }: FuzzRequest): Promise<string | undefined> =>
    new Promise((resolve) => {
      const stream = sessionNow().request({ ':method': 'POST', ':path': path, ...headers });
      const late = setTimeout(() => (stream.destroy(), resolve(streams === true ? undefined : 'no answer')), streams === true ? quietMs : answerMs);
      let leave: NodeJS.Timeout | undefined;
      let fault: string | undefined;
      const look = (fields: Record<string, unknown>): void => {
        const status = Number(fields[':status'] ?? 200);
        const code = String(fields['grpc-status'] ?? 0);
        if (isFault(status) || blames(code, String(fields['grpc-message']))) fault = `${status} grpc-status ${code}: ${String(fields['grpc-message'])}`;
      };
      stream.on('response', (fields) => {
        look(fields);
        clearTimeout(late);
        leave = setTimeout(() => stream.close(8), streamMs);
      });
      stream.on('trailers', look);
      stream.on('data', () => undefined);
      stream.on('error', () => undefined);
      stream.on('close', () => {
        clearTimeout(late);
        clearTimeout(leave);
        resolve(fault);
      });
      stream.end(body);
    });

  return {
    send: (request) => (request.kind === 'grpc' ? sendGrpc(request) : sendHttp1(request)),
    async close() {
      session?.destroy();
      await pool.destroy();
    },
  };
}
