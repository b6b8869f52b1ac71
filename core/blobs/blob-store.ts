/** Content-addressed store: a blob's name is the lower-case hex SHA-256 of its bytes. */
export interface Blob {
  digest: string;
  size: number;
}

export interface BlobStore {
  /** Stores the bytes; storing what is there touches it. Nothing half-written is ever visible. */
  put(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Blob>;
  /** Stores a copy of the file. */
  putFile(path: string): Promise<Blob>;
  /** @returns undefined when it is not there */
  stat(digest: string): Promise<Blob | undefined>;
  /** @throws ForgeError not_found */
  read(digest: string): AsyncIterable<Uint8Array>;
  /** Writes the blob to a new file, verified on the way. @throws ForgeError not_found, internal (altered) */
  materialize(digest: string, path: string): Promise<void>;
  remove(digest: string): Promise<void>;
  /**
   * Removes the blob, unless it was stored at `since` or later (Unix milliseconds): whoever stored it may be about to
   * name it. A `put` at the same time finds the blob, or makes it anew.
   * @returns the blob that was removed, 'spared', or undefined when it is not there
   */
  removeUntouched(digest: string, since: number): Promise<Blob | 'spared' | undefined>;
}

export function isDigest(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}
