import { readFile } from 'node:fs/promises';
import { ForgeError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { markRoute } from '../metrics/route-mark.ts';
import type { RawHandler } from '../port/dispatch.ts';
import { fixed, refuseAllButGet, sendFixed, type Fixed } from '../port/send-fixed.ts';
import { sendError } from '../rest/answer.ts';

const javascript = 'text/javascript; charset=utf-8';

/** What the page is made of: by path, its type and where it lies. All comes from here, nothing from another host. */
const files: Readonly<Record<string, readonly [type: string, location: URL]>> = {
  '/docs': ['text/html; charset=utf-8', new URL('index.html', import.meta.url)],
  '/docs/start.js': [javascript, new URL('start.js', import.meta.url)],
  '/docs/swagger-ui.css': ['text/css; charset=utf-8', packaged('swagger-ui.css')],
  '/docs/swagger-ui-bundle.js': [javascript, packaged('swagger-ui-bundle.js')],
  '/docs/favicon.png': ['image/png', packaged('favicon-32x32.png')],
};

const headers = {
  // Scripts and styles come from our files alone, and requests go nowhere else.
  'content-security-policy': "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
};

/** `GET /docs`: a page (Swagger UI) to try the requests of /openapi.json in. Its files are read at the first request. */
export function createDocsHandler(deps: { logger: Logger }): RawHandler {
  const read = new Map<string, Promise<Fixed>>();
  const find = (path: string, [type, location]: readonly [string, URL]): Promise<Fixed> => {
    const known = read.get(path);
    if (known !== undefined) return known;
    const reading = readFile(location).then((body) => fixed(type, body));
    reading.catch(() => read.delete(path));
    read.set(path, reading);
    return reading;
  };
  return (request, response, url) => {
    const path = url.pathname === '/docs/' ? '/docs' : url.pathname;
    const file = Object.hasOwn(files, path) ? files[path] : undefined;
    if (file === undefined) return false;
    markRoute(response, 'own', '/docs');
    if (refuseAllButGet(request, response)) return true;
    find(path, file).then(
      (found) => sendFixed(request, response, found, headers),
      (error: unknown) => {
        deps.logger.error('a file of /docs cannot be read', { path, error });
        sendError(request, response, new ForgeError('internal', 'A file of this page cannot be read; the log has more'));
      },
    );
    return true;
  };
}

function packaged(name: string): URL {
  return new URL(import.meta.resolve(`swagger-ui-dist/${name}`));
}
