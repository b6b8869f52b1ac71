import { createHash, hash } from 'node:crypto';
import { open, readFile, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import type { HeadList, Heads, KindSnapshot } from '../kind-fold.ts';
import { PackedHead, packHead } from './packed-head.ts';
import { decodeStates, encodeStates } from './state-codec.ts';

/** All aggregates after the message of a sequence. */
export interface Snapshot<H extends Heads | HeadList> {
  sequence: number;
  /** Of that message's bytes, in hex: by it the snapshot is known to be of the same stream. */
  sha256: string;
  /** Messages up to there that should not be there and were not applied. */
  rejected: number;
  kinds: [kind: string, KindSnapshot<H>][];
}

interface Header extends Omit<Snapshot<HeadList>, 'kinds'> {
  schema: string;
  kinds: [kind: string, Omit<KindSnapshot<HeadList>, 'heads'> & { count: number }][];
}

/** What is known of some heads of a kind without reading them: lists of the same length, which are quick to read. */
interface Index {
  kind: string;
  ids: string[];
  versions: number[];
  /** Bytes of each. */
  sizes: number[];
}

/** Larger ones are neither written nor read: the file is held in memory while it is read. */
const maxBytes = 1 << 30;
/** Aggregates of one frame: what the event loop is kept from at a stretch. */
const perFrame = 500;
const digestBytes = 32;
/** After so long whoever was writing is dead. */
const staleMs = 10 * 60_000;

/**
 * Writes a snapshot in the place of the one before, whole or not at all: SHA-256 of the rest (32 bytes), then the header
 * and the indexes of some heads each, as a length (32 bits, little-endian) and a value as `encodeStates` writes it; each
 * index is followed by its heads, as `packHead` writes them.
 * @param schema of the code that folds
 * @throws RangeError where it would be larger than 1 GiB
 */
export async function writeSnapshot(path: string, schema: string, { kinds, ...facts }: Snapshot<HeadList>): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await openNew(temporary);
  try {
    await file.write(Buffer.alloc(digestBytes));
    const digest = createHash('sha256');
    let size = digestBytes;
    const write = async (value: Header | Index, heads: Buffer[]): Promise<void> => {
      const bytes = encodeStates(value);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      const frame = Buffer.concat([length, bytes, ...heads]);
      size += frame.length;
      if (size > maxBytes) throw new RangeError(`it would be larger than ${maxBytes} bytes`);
      digest.update(frame);
      await file.appendFile(frame);
      await setImmediate();
    };
    await write({ ...facts, schema, kinds: kinds.map(([kind, { heads, ...rest }]) => [kind, { ...rest, count: heads.length }]) }, []);
    for (const [kind, { heads }] of kinds) {
      for (let at = 0; at < heads.length; at += perFrame) {
        const some = heads.slice(at, at + perFrame);
        const packed = some.map(([, head]) => packHead(head));
        await write({ kind, ids: some.map(([id]) => id), versions: some.map(([, { version }]) => version), sizes: packed.map(({ length }) => length) }, packed);
      }
    }
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
export async function readSnapshot(path: string, schema: string, kinds: readonly string[]): Promise<Snapshot<Heads> | string | undefined> {
  let bytes: Buffer;
  try {
    if ((await stat(path)).size > maxBytes) return `it is larger than ${maxBytes} bytes`;
    bytes = await readFile(path);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : (error as Error).message;
  }
  if (!bytes.subarray(0, digestBytes).equals(hash('sha256', bytes.subarray(digestBytes), 'buffer'))) return 'its digest does not match';
  try {
    return decode(bytes, schema, kinds);
  } catch (error) {
    // One that a newer V8 wrote, among others.
    return (error as Error).message;
  }
}

function decode(bytes: Buffer, schema: string, kinds: readonly string[]): Snapshot<Heads> | string {
  let at = digestBytes;
  const next = (): unknown => {
    const from = at + 4;
    at = from + bytes.readUInt32LE(at);
    return decodeStates(bytes.subarray(from, at));
  };
  const header = next() as Header;
  if (header.schema !== schema) return 'it was written by another version';
  if (header.kinds.map(([kind]) => kind).sort().join() !== [...kinds].sort().join()) return 'it holds other kinds of aggregates';
  const heads = new Map(header.kinds.map(([kind]): [string, Heads] => [kind, new Map()]));
  while (at < bytes.length) {
    const { kind, ids, versions, sizes } = next() as Index;
    const all = heads.get(kind)!;
    for (const [index, id] of ids.entries()) {
      const from = at;
      at += sizes[index]!;
      all.set(id, new PackedHead(versions[index]!, bytes, from, at));
    }
  }
  for (const [kind, { count }] of header.kinds) if (heads.get(kind)!.size !== count) return `it holds ${heads.get(kind)!.size} of ${count} aggregates of kind ${kind}`;
  const { sequence, sha256, rejected } = header;
  return { sequence, sha256, rejected, kinds: header.kinds.map(([kind, { open, traces }]) => [kind, { heads: heads.get(kind)!, open, traces }]) };
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
