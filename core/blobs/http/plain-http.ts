import { isLoopback } from '../../config.ts';
import type { Logger } from '../../logger.ts';

/** Tokens travel with each request: whoever can listen on the way could use them. */
export function warnOfPlainHttp(url: string, logger: Logger): void {
  const parsed = URL.parse(url);
  if (parsed?.protocol === 'http:' && !isLoopback(parsed.hostname.replace(/^\[(.*)\]$/, '$1'))) {
    logger.warn('FORGE_BLOBS_URL is plain HTTP: unless the network between is trusted, use https (a proxy with TLS) or a tunnel', { host: parsed.host });
  }
}
