import type { BlobStore } from '../core/blobs/blob-store.ts';
import { readTree } from '../core/blobs/tree.ts';
import { ForgeError } from '../core/errors.ts';

const maxBytes = 4 << 20;

/** One text file of a tree in the blob store. @throws ForgeError not_found where its blobs were removed, too_large */
export async function readTextFile(blobs: BlobStore, treeDigest: string, path: string): Promise<string> {
  const file = (await readTree(blobs, treeDigest)).files.find((one) => one.path === path);
  if (file === undefined) throw new ForgeError('not_found', `${path} is not there`);
  if (file.size > maxBytes) throw new ForgeError('too_large', `${path} has ${file.size} bytes, at most ${maxBytes} are shown`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of blobs.read(file.digest)) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
