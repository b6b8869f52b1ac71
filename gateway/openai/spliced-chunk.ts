/** A chunk of which parts are replaced, from its start to its end. Where nothing changes it is not copied. */
export class SplicedChunk {
  readonly #chunk: Uint8Array;
  readonly #parts: Uint8Array[] = [];
  #copied = 0;

  constructor(chunk: Uint8Array) {
    this.#chunk = chunk;
  }

  /** Puts `bytes` in the place of the chunk's from `from` up to, but not including, `to`. */
  replace(from: number, to: number, bytes: Uint8Array): void {
    if (from === to && bytes.length === 0) return;
    if (bytes.length === to - from && Buffer.compare(bytes, this.#chunk.subarray(from, to)) === 0) return;
    if (from > this.#copied) this.#parts.push(this.#chunk.subarray(this.#copied, from));
    if (bytes.length > 0) this.#parts.push(bytes);
    this.#copied = to;
  }

  bytes(): Uint8Array {
    if (this.#copied === 0 && this.#parts.length === 0) return this.#chunk;
    if (this.#copied < this.#chunk.length) this.#parts.push(this.#chunk.subarray(this.#copied));
    return this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
  }
}
