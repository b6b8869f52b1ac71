/** How many pieces are kept as they came before they are put together. */
const piecesAtOnce = 1024;

/** Bytes that come in pieces: a body of single bytes must not become as many objects. */
export class ByteChunks {
  #whole: Buffer[] = [];
  #pieces: Buffer[] = [];
  #size = 0;

  /** Bytes that are held. */
  get size(): number {
    return this.#size;
  }

  push(piece: Buffer): void {
    this.#size += piece.length;
    this.#pieces.push(piece);
    if (this.#pieces.length < piecesAtOnce) return;
    this.#whole.push(Buffer.concat(this.#pieces));
    this.#pieces = [];
  }

  clear(): void {
    this.#whole = [];
    this.#pieces = [];
    this.#size = 0;
  }

  /** All of them in one piece, which is not copied where there was only one. */
  bytes(): Buffer {
    const all = [...this.#whole, ...this.#pieces];
    return all.length === 1 ? all[0]! : Buffer.concat(all, this.#size);
  }
}
