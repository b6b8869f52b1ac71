import type { UniversalServerResponse } from '@connectrpc/connect/protocol';

const name = 'grpc-message';

/**
 * Rewrites an error's text in the trailers as gRPC's protocol has it (PROTOCOL-HTTP2.md: only bytes outside of visible
 * ASCII, and the percent sign, are encoded). Connect encodes punctuation too, which some clients (@grpc/grpc-js) then
 * show as it is: `job_id%3A no such job`.
 */
export function plainGrpcMessage(response: UniversalServerResponse): UniversalServerResponse {
  const { body, trailer } = response;
  if (trailer === undefined || body === undefined) return response;
  return { ...response, body: rewriteAfter(body, trailer) };
}

/** The trailers are complete when the body is. */
async function* rewriteAfter(body: AsyncIterable<Uint8Array>, trailer: Headers): AsyncGenerator<Uint8Array> {
  yield* body;
  const encoded = trailer.get(name);
  if (encoded !== null) trailer.set(name, encodeMessage(decodeURIComponent(encoded)));
}

/** Percent-encodes the UTF-8 bytes outside of 0x20 to 0x7e, and `%`. */
function encodeMessage(text: string): string {
  return text.replace(/[^\x20-\x24\x26-\x7e]+/g, encodeURIComponent);
}
