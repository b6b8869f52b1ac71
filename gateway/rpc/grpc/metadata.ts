import { Code, type ConnectError } from '@connectrpc/connect';
import { setTrailerStatus } from '@connectrpc/connect/protocol-grpc';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';

/** Request metadata as services in Connect's form expect it, without HTTP/2's pseudo headers. */
export function toHeaders(incoming: IncomingHttpHeaders): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming)) {
    if (value === undefined || name.startsWith(':')) continue;
    for (const each of Array.isArray(value) ? value : [value]) headers.append(name, each);
  }
  return headers;
}

/** Adds all fields; one that stands there several times becomes one with commas. */
export function addHeaders(to: OutgoingHttpHeaders, from: Headers | undefined): OutgoingHttpHeaders {
  from?.forEach((value, name) => { to[name] = value; });
  return to;
}

/**
 * `grpc-status`, `grpc-message` and, where the error has details, `grpc-status-details-bin`, beside the error's own
 * metadata.
 */
export function errorTrailers(error: ConnectError): OutgoingHttpHeaders {
  const trailers = addHeaders({}, setTrailerStatus(new Headers(), error));
  if (error.code === Code.Unimplemented && error.metadata.has(acceptEncoding)) trailers[acceptEncoding] = error.metadata.get(acceptEncoding)!;
  trailers['grpc-message'] = encodeMessage(error.rawMessage);
  return trailers;
}

export const acceptEncoding = 'grpc-accept-encoding';

/**
 * An error's text for `grpc-message` as gRPC's protocol has it (PROTOCOL-HTTP2.md): only the UTF-8 bytes outside of 0x20 to
 * 0x7e, and the percent sign, are encoded. Connect encodes punctuation too, which some clients (@grpc/grpc-js) then
 * show as it is: `job_id%3A no such job`.
 */
export function encodeMessage(text: string): string {
  return text.toWellFormed().replace(/[^\x20-\x24\x26-\x7e]+/g, encodeURIComponent);
}
