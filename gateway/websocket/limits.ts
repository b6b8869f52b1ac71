/** Durations in milliseconds, sizes in bytes. */
export interface SocketLimits {
  /**
   * How long the kernel may take nothing for a client before it is cut off. It makes room in steps of up to 1.4 MB, a third of
   * its own buffer, so that less time would cut off clients that do read.
   */
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
  graceMs: 30_000,
  pingMs: 20_000,
  closeMs: 1_000,
  payloadBytes: 4096,
  clients: 1024,
});
