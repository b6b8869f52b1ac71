import { ForgeError } from '../errors.ts';

/** Content-addressed store: a blob's name is the lower-case hex SHA-256 of its bytes. */
export interface Blob {
  digest: string;
  size: number;
}

/** First and last byte, both included. */
export interface ByteRange {
  start: number;
  end: number;
}

export interface BlobStore {
  /**
   * Stores the bytes; storing what is there touches it, and mends it where it was altered. Nothing half-written is ever visible.
   * @param expected digest that they must have
   * @throws Altered where they have another, and nothing is stored
   */
  put(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, expected?: string): Promise<Blob>;
  /** Stores a copy of the file. */
  putFile(path: string): Promise<Blob>;
  /** @returns undefined when it is not there */
  stat(digest: string): Promise<Blob | undefined>;
  /** @throws ForgeError not_found; Altered after the last byte, where all of it was read and removed because it was altered */
  read(digest: string, range?: ByteRange): AsyncIterable<Uint8Array>;
  /** Writes the blob to a new file, verified on the way; one that was altered is removed. @throws ForgeError not_found; Altered */
  materialize(digest: string, path: string): Promise<void>;
  remove(digest: string): Promise<void>;
  /**
   * Removes the blob, unless it was stored at `since` or later (Unix milliseconds): whoever stored it may be about to
   * name it. A `put` at the same time finds the blob, or makes it anew.
   * @returns the blob that was removed, 'spared', or undefined when it is not there
   */
  removeUntouched(digest: string, since: number): Promise<Blob | 'spared' | undefined>;
}

/** The bytes under a digest, or that were to be stored under it, are others. */
export class Altered extends ForgeError {
  readonly actual: string;

  constructor(digest: string, actual: string) {
    super('internal', `blob ${digest} was altered: its bytes hash to ${actual}`);
    this.name = 'Altered';
    this.actual = actual;
  }
}

export function isDigest(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

/** @throws ForgeError invalid_argument */
export function checkDigest(text: string): string {
  if (!isDigest(text)) throw new ForgeError('invalid_argument', `digest: "${text.slice(0, 80)}" is not a SHA-256 in lower-case hex`, { field: 'digest' });
  return text;
}
