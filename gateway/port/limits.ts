/** What one client may take from the port. Durations in milliseconds, sizes in bytes. */
export interface PortLimits {
  /** From the first byte (or the connection) to the end of the header. */
  headerMs: number;
  /** From the header to the end of the body. */
  bodyMs: number;
  /** A connection without a request. */
  idleMs: number;
  /** An answer of which the client takes nothing. */
  stallMs: number;
  /** How long the rest of a refused body is read, so that the client gets to see the answer. */
  lingerMs: number;
  /** How long `stop` lets requests finish. */
  drainMs: number;
  headerBytes: number;
  bodyBytes: number;
  connections: number;
  /** Concurrent streams of one HTTP/2 connection. */
  streams: number;
}

export const defaultLimits: Readonly<PortLimits> = Object.freeze({
  headerMs: 10_000,
  bodyMs: 30_000,
  idleMs: 60_000,
  stallMs: 30_000,
  lingerMs: 2_000,
  drainMs: 3_000,
  headerBytes: 16 * 1024,
  bodyBytes: 1024 * 1024,
  connections: 4096,
  streams: 256,
});
