import { readdir } from 'node:fs/promises';
import { isAbsolute, join, normalize, relative, sep } from 'node:path';
import { ForgeError } from '../errors.ts';
import { sha256Hex } from '../store/envelope.ts';
import { Altered, isDigest, type BlobStore } from './blob-store.ts';

/** A directory in the store: a manifest blob that lists its files, sorted by path, so that equal trees have one digest. */
export interface Tree {
  files: { path: string; size: number; digest: string }[];
}

export const maxManifestBytes = 16 << 20;
const maxFiles = 100_000;

/** A blob that is itself, and no manifest. */
export class NoTree extends ForgeError {
  constructor(message: string, cause?: unknown) {
    super('internal', message, { cause });
    this.name = 'NoTree';
  }
}

/** Stores every regular file below `dir`. @returns digest of the manifest */
export async function putTree(store: BlobStore, dir: string): Promise<string> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => relative(dir, join(entry.parentPath, entry.name)).split(sep).join('/'));
  if (paths.length > maxFiles) throw new ForgeError('too_large', `${paths.length} files are more than a tree holds (${maxFiles})`);
  paths.sort((a, b) => (a < b ? -1 : 1));
  const files: Tree['files'] = [];
  for (const path of paths) {
    const blob = await store.putFile(join(dir, path));
    files.push({ path, size: blob.size, digest: blob.digest });
  }
  return (await store.put([Buffer.from(JSON.stringify({ files }))])).digest;
}

/** Reads and checks a manifest. @throws ForgeError not_found, too_large; NoTree; Altered */
export async function readTree(store: BlobStore, digest: string): Promise<Tree> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of store.read(digest)) {
    size += chunk.length;
    if (size > maxManifestBytes) throw new ForgeError('too_large', `tree ${digest}: its manifest is over ${maxManifestBytes} bytes`);
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  // Which files are a tree's own is known by nothing else.
  const actual = sha256Hex(bytes);
  if (actual !== digest) throw new Altered(digest, actual);
  let tree: Partial<Tree> | null;
  try {
    tree = JSON.parse(bytes.toString('utf8')) as Tree | null;
  } catch (error) {
    throw new NoTree(`blob ${digest} is no tree`, error);
  }
  if (!Array.isArray(tree?.files) || !tree.files.every((file) => isDigest(file?.digest) && isInside(file.path))) {
    throw new NoTree(`blob ${digest} is no tree, or names a path outside itself`);
  }
  return { files: tree.files };
}

/** Writes the tree's files below `dir`, each verified. */
export async function getTree(store: BlobStore, digest: string, dir: string): Promise<void> {
  for (const file of (await readTree(store, digest)).files) await store.materialize(file.digest, join(dir, file.path));
}

/** Whether the whole tree is there: its manifest and every file in its full size. */
export async function hasTree(store: BlobStore, digest: string): Promise<boolean> {
  try {
    for (const file of (await readTree(store, digest)).files) {
      if ((await store.stat(file.digest))?.size !== file.size) return false;
    }
    return true;
  } catch (error) {
    if (error instanceof ForgeError && error.code === 'not_found') return false;
    throw error;
  }
}

function isInside(path: unknown): boolean {
  return typeof path === 'string' && path !== '' && !isAbsolute(path) && !normalize(path).startsWith('..') && !path.includes('\0');
}
