import type { IncomingHttpHeaders } from 'node:http';

/** The key that a request brings, by `Authorization: Bearer` (RFC 6750) or `x-api-key`; undefined for none. */
export function credentialOf(headers: IncomingHttpHeaders): string | undefined {
  const { authorization } = headers;
  if (authorization !== undefined) {
    const key = /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
    if (key !== undefined) return key;
  }
  const key = headers['x-api-key'];
  return typeof key === 'string' && key !== '' ? key : undefined;
}
