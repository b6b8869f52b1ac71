import type { IncomingHttpHeaders } from 'node:http';
import { isLoopback } from '../../core/config.ts';
import { ForgeError } from '../../core/errors.ts';

/**
 * Whether a request may come in, by its `Host` and `Origin`. Without keys anyone who can connect may do everything, so
 * that pages of other sites must not: neither by a form or fetch of theirs (their `Origin` is foreign), nor by a DNS name
 * of theirs that points to this host (then their `Host` is).
 * @param hosts names beside the loopback ones under which the port is reached
 * @returns the error to answer with, or undefined
 */
export function refuseOrigin(headers: IncomingHttpHeaders, hosts: ReadonlySet<string>): ForgeError | undefined {
  const allowed = (host: string): boolean => isLoopback(host) || hosts.has(host);
  const authority = headers[':authority'] ?? headers.host;
  if (authority === undefined) return new ForgeError('invalid_argument', 'Host: is missing', { field: 'Host' });
  const host = typeof authority === 'string' ? hostName(`http://${authority}`) : undefined;
  if (host === undefined || !allowed(host)) {
    return new ForgeError('permission_denied', 'Host: must be a loopback name such as 127.0.0.1 or localhost', { field: 'Host' });
  }
  const { origin } = headers;
  if (origin === undefined) return undefined;
  const from = hostName(origin);
  if (from !== undefined && allowed(from)) return undefined;
  return new ForgeError('permission_denied', 'Origin: pages of other hosts must not call this service', { field: 'Origin' });
}

/** What was asked for before: nearly all requests of a client name the same host. */
const names = new Map<string, string | undefined>();
const maxNames = 100;

function hostName(url: string): string | undefined {
  if (names.has(url)) return names.get(url);
  const name = URL.parse(url)?.hostname.replace(/^\[(.*)\]$/, '$1');
  if (names.size >= maxNames) names.clear();
  if (url.length <= 300) names.set(url, name);
  return name;
}
