import { Code, ConnectError } from '@connectrpc/connect';
import { ByteChunks } from '../../port/byte-chunks.ts';

/** One message as it came: whether it is compressed, and its bytes (PROTOCOL-HTTP2.md, "Length-Prefixed-Message"). */
export interface Envelope {
  flags: number;
  data: Buffer;
}

const prefixBytes = 5;

/** Takes a body apart into its messages, chunk by chunk. */
export class EnvelopeReader {
  readonly #maxBytes: number;
  readonly #rest = new ByteChunks();
  /** Bytes up to which nothing can be taken. */
  #wanted = prefixBytes;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * @returns the messages that are complete with this chunk
   * @throws ConnectError resource_exhausted as soon as a message announces more than is allowed
   */
  push(chunk: Buffer): Envelope[] {
    this.#rest.push(chunk);
    const found: Envelope[] = [];
    if (this.#rest.size < this.#wanted) return found;
    const bytes = this.#rest.bytes();
    let at = 0;
    this.#wanted = prefixBytes;
    while (bytes.length - at >= prefixBytes) {
      const length = bytes.readUInt32BE(at + 1);
      if (length > this.#maxBytes) throw new ConnectError(`message size ${length} is larger than ${this.#maxBytes} bytes`, Code.ResourceExhausted);
      const end = at + prefixBytes + length;
      if (end > bytes.length) {
        this.#wanted = end - at;
        break;
      }
      found.push({ flags: bytes[at]!, data: bytes.subarray(at + prefixBytes, end) });
      at = end;
    }
    this.#rest.clear();
    if (at < bytes.length) this.#rest.push(at === 0 ? bytes : bytes.subarray(at));
    return found;
  }

  /** @throws ConnectError invalid_argument where the body ended within a message */
  end(): void {
    if (this.#rest.size > 0) throw new ConnectError(`protocol error: the body ends after ${this.#rest.size} of ${this.#wanted} bytes of a message`, Code.InvalidArgument);
  }
}

/** @returns prefix and message in one piece, for one write */
export function encodeEnvelope(flags: number, data: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(prefixBytes + data.length);
  bytes[0] = flags;
  bytes.writeUInt32BE(data.length, 1);
  bytes.set(data, prefixBytes);
  return bytes;
}
