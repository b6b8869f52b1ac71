import type { Logger } from '../../core/logger.ts';
import { ForgeError } from '../../core/errors.ts';
import type { RawHandler } from '../port/dispatch.ts';
import { refuseAllButGet } from '../port/send-fixed.ts';
import { sendError } from '../rest/answer.ts';
import { markRoute } from './route-mark.ts';

/** `GET /metrics` in Prometheus' text format. @param parts each gives the text of some metrics */
export function createMetricsHandler(parts: readonly (() => string | Promise<string>)[], logger: Logger): RawHandler {
  return (request, response, url) => {
    if (url.pathname !== '/metrics') return false;
    markRoute(response, 'own', '/metrics');
    if (refuseAllButGet(request, response)) return true;
    Promise.all(parts.map((part) => part())).then(
      (texts) => {
        const body = texts.join('');
        response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'content-length': Buffer.byteLength(body), 'cache-control': 'no-store' });
        response.end(request.method === 'HEAD' ? undefined : body);
      },
      (error: unknown) => {
        logger.error('the metrics could not be made', { error });
        sendError(request, response, new ForgeError('internal', 'The metrics could not be made; the log has more'));
      },
    );
    return true;
  };
}
