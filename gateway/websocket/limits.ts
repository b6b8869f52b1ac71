/** Durations in milliseconds, sizes in bytes. */
export interface SocketLimits {
  /** What may wait in memory for one client. */
  bufferBytes: number;
  /** How long a client with a full buffer may take to read half of it before it is cut off. */
  graceMs: number;
  /** Between two pings; a client that has not answered one by the next is dead. */
  pingMs: number;
  /** How long the other side may take to answer a close. */
  closeMs: number;
  /** The longest message that a client may send; what it says is ignored. */
  payloadBytes: number;
  clients: number;
}

export const defaultSocketLimits: Readonly<SocketLimits> = Object.freeze({
  bufferBytes: 1024 * 1024,
  graceMs: 5_000,
  pingMs: 20_000,
  closeMs: 1_000,
  payloadBytes: 4096,
  clients: 1024,
});
