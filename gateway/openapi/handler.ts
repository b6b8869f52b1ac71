import { markRoute } from '../metrics/route-mark.ts';
import type { RawHandler } from '../port/dispatch.ts';
import { fixed, sendFixed } from '../port/send-fixed.ts';

/** `GET /openapi.json`. @param document its JSON text, made once */
export function createOpenApiHandler(document: string): RawHandler {
  const file = fixed('application/json', document);
  return (request, response, url) => {
    if (url.pathname !== '/openapi.json') return false;
    markRoute(response, 'own', '/openapi.json');
    sendFixed(request, response, file);
    return true;
  };
}
