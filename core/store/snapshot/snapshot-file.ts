import { createHash, hash } from 'node:crypto';
import { open, readFile, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import type { Head } from '../fold.ts';
import { decodeStates, encodeStates } from './state-codec.ts';

/** All aggregates after the message of a sequence. */
export interface Snapshot {
  sequence: number;
  /** Of that message's bytes, in hex: by it the snapshot is known to be of the same stream. */
  sha256: string;
  /** Messages up to there that should not be there and were not applied. */
  rejected: number;
  /** By kind; ids as they first appeared. */
  heads: [kind: string, [id: string, head: Head][]][];
}

interface Header extends Omit<Snapshot, 'heads'> {
  schema: string;
  counts: Record<string, number>;
}

/** Larger ones are neither written nor read: the file is held in memory while it is read. */
const maxBytes = 1 << 30;
/** Aggregates of one frame: what the event loop is kept from at a stretch. */
const perFrame = 500;
const digestBytes = 32;
/** After so long whoever was writing is dead. */
const staleMs = 10 * 60_000;

/**
 * Writes a snapshot in the place of the one before, whole or not at all: SHA-256 of the rest (32 bytes), then frames,
 * each a length (32 bits, little-endian) and a value as `encodeStates` writes it; the first is the header.
 * @param schema of the code that folds
 * @throws RangeError where it would be larger than 1 GiB
 */
export async function writeSnapshot(path: string, schema: string, { heads, ...facts }: Snapshot): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await openNew(temporary);
  try {
    await file.write(Buffer.alloc(digestBytes));
    const digest = createHash('sha256');
    let size = digestBytes;
    const write = async (value: unknown): Promise<void> => {
      const bytes = encodeStates(value);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      size += 4 + bytes.length;
      if (size > maxBytes) throw new RangeError(`it would be larger than ${maxBytes} bytes`);
      digest.update(length).update(bytes);
      await file.appendFile(Buffer.concat([length, bytes]));
      await setImmediate();
    };
    await write({ ...facts, schema, counts: Object.fromEntries(heads.map(([kind, list]) => [kind, list.length])) } satisfies Header);
    for (const [kind, list] of heads) for (let at = 0; at < list.length; at += perFrame) await write([kind, list.slice(at, at + perFrame)]);
    await file.write(digest.digest(), 0, digestBytes, 0);
    // Not forced to disk, which can take longer than a stop may: what a loss of power leaves has another digest.
    await file.close();
    await rename(temporary, path);
  } catch (error) {
    await file.close().catch(() => {});
    await rm(temporary, { force: true });
    throw error;
  }
}

/**
 * @param kinds that are folded here
 * @returns the snapshot, or why there is none that can be used, as text; undefined where there is no file
 */
export async function readSnapshot(path: string, schema: string, kinds: readonly string[]): Promise<Snapshot | string | undefined> {
  let bytes: Buffer;
  try {
    if ((await stat(path)).size > maxBytes) return `it is larger than ${maxBytes} bytes`;
    bytes = await readFile(path);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : (error as Error).message;
  }
  if (!bytes.subarray(0, digestBytes).equals(hash('sha256', bytes.subarray(digestBytes), 'buffer'))) return 'its digest does not match';
  try {
    const frames = readFrames(bytes);
    const { schema: written, counts, ...facts } = frames.next().value as Header;
    if (written !== schema) return 'it was written by another version';
    if (Object.keys(counts).sort().join() !== [...kinds].sort().join()) return 'it holds other kinds of aggregates';
    const heads = new Map(Object.keys(counts).map((kind): [string, [string, Head][]] => [kind, []]));
    for (const frame of frames) {
      const [kind, list] = frame as [string, [string, Head][]];
      const all = heads.get(kind)!;
      for (const one of list) all.push(one);
    }
    for (const [kind, list] of heads) if (list.length !== counts[kind]) return `it holds ${list.length} of ${counts[kind]} aggregates of kind ${kind}`;
    return { ...facts, heads: [...heads] };
  } catch (error) {
    // One that a newer V8 wrote, among others.
    return (error as Error).message;
  }
}

function* readFrames(bytes: Buffer): IterableIterator<unknown> {
  for (let at = digestBytes; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    yield decodeStates(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
}

/** One writer at a time, and no file left for each that died. */
async function openNew(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || Date.now() - (await stat(path)).mtimeMs < staleMs) throw error;
    await rm(path, { force: true });
    return open(path, 'wx', 0o600);
  }
}
