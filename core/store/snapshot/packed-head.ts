import type { Head } from '../fold.ts';
import { decodeStates, encodeStates } from './state-codec.ts';

type Packed = Omit<Head, 'version'>;

/**
 * A head as it lies in a snapshot, read when somebody first looks at it: nearly all are of work that was over long ago,
 * and a start need not wait for them. Its state is the same object each time.
 */
export class PackedHead implements Head {
  readonly version: number;
  #file: Buffer | undefined;
  readonly #from: number;
  readonly #to: number;
  #unpacked: Packed | undefined;

  /** @param file that holds it between the two places, as `packHead` wrote it */
  constructor(version: number, file: Buffer, from: number, to: number) {
    this.version = version;
    this.#file = file;
    this.#from = from;
    this.#to = to;
  }

  get sha256(): string {
    return this.unpack().sha256;
  }

  get state(): unknown {
    return this.unpack().state;
  }

  get idempotencySha256(): string {
    return this.unpack().idempotencySha256;
  }

  /** As it lies in the file; undefined once it was read. */
  get bytes(): Buffer | undefined {
    return this.#file?.subarray(this.#from, this.#to);
  }

  unpack(): Packed {
    this.#unpacked ??= decodeStates(this.bytes!) as Packed;
    // The file leaves memory with the last of its heads that is read.
    this.#file = undefined;
    return this.#unpacked;
  }
}

/** All but its version. */
export function packHead(head: Head): Buffer {
  const bytes = head instanceof PackedHead ? head.bytes : undefined;
  return bytes ?? encodeStates({ sha256: head.sha256, state: head.state, idempotencySha256: head.idempotencySha256 } satisfies Packed);
}
