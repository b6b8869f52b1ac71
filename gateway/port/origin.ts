import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { hostName, isLoopback } from '../../core/config.ts';
import { ForgeError } from '../../core/errors.ts';

/** By what names the port is reached, and whose pages may call it. */
export interface Allowed {
  /** Host names and addresses, beside the loopback ones; those listened on are added. */
  hosts: Set<string>;
  /** Origins of other pages, `scheme://host[:port]`. */
  origins: ReadonlySet<string>;
}

/** Addresses that stand for all of a machine's: any address may then be in `Host`. */
const wildcards = ['0.0.0.0', '::'];

/**
 * Whether a request may come in, by its `Host` and `Origin`. Without keys anyone who can connect may do everything, so
 * that pages of other sites must not: neither by a form or fetch of theirs (their `Origin` is foreign), nor by a DNS name
 * of theirs that points to this host (then their `Host` is). An address is no name that could be made to point here.
 * @returns the error to answer with, or undefined
 */
export function refuseOrigin(headers: IncomingHttpHeaders, { hosts, origins }: Allowed): ForgeError | undefined {
  const authority = headers[':authority'] ?? headers.host;
  if (authority === undefined) return new ForgeError('invalid_argument', 'Host: is missing', { field: 'Host' });
  const host = typeof authority === 'string' ? knownName(authority) : undefined;
  if (host === undefined || !isReached(host, hosts)) {
    return new ForgeError('permission_denied', 'Host: must be a loopback name such as 127.0.0.1 or localhost, or stand in FORGE_ALLOWED_HOSTS', { field: 'Host' });
  }
  const { origin } = headers;
  if (origin === undefined || origins.has(origin)) return undefined;
  const page = URL.parse(origin);
  // A page of this very service, and on a loopback name whatever else is on this machine.
  if (page !== null && (page.host === authority || (isLoopback(host) && page.hostname !== '' && isLoopback(unbracketed(page.hostname))))) return undefined;
  return new ForgeError('permission_denied', 'Origin: pages of other hosts must not call this service, unless they stand in FORGE_ALLOWED_ORIGINS', { field: 'Origin' });
}

function isReached(host: string, hosts: ReadonlySet<string>): boolean {
  return isLoopback(host) || hosts.has(host) || (isIP(host) !== 0 && wildcards.some((address) => hosts.has(address)));
}

function unbracketed(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}

/** What was asked for before: nearly all requests of a client name the same host. */
const names = new Map<string, string | undefined>();
const maxNames = 100;

function knownName(authority: string): string | undefined {
  if (names.has(authority)) return names.get(authority);
  const name = hostName(authority);
  if (names.size >= maxNames) names.clear();
  if (authority.length <= 300) names.set(authority, name);
  return name;
}
