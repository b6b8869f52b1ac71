/**
 * A worker's side of large blobs as a process of its own, so that its memory can be told. Arguments: URL, folder, MiB.
 * Stores that many MiB of random bytes, then fetches them with an empty cache; prints by how many bytes its peak grew for each.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createBlobGateway } from '../../core/blobs/http/http-blob-store.ts';
import { forgetPeak, peakMemory } from './peak-memory.ts';

const [url, folder, mebibytes] = process.argv.slice(2);

function* bytes(size: number): Generator<Uint8Array> {
  for (let n = 0; n < size; n++) yield randomBytes(1 << 20);
}
async function growth(work: () => Promise<unknown>): Promise<number> {
  forgetPeak(process.pid);
  const before = peakMemory(process.pid);
  await work();
  return peakMemory(process.pid) - before;
}
const open = (name: string) => createBlobGateway({ url: url!, cacheRoot: join(folder!, name), cacheMaxBytes: 1 << 40 });
const [writer, reader] = [open('writer'), open('reader')];
const stored = writer.as('', { patienceMs: 60_000 });
// What the engine compiles and gathers for any transfer is there then.
await open('first').as('', { patienceMs: 60_000 }).put(bytes(4));
let digest = '';
const up = await growth(async () => ({ digest } = await stored.put(bytes(Number(mebibytes)))));
const down = await growth(() => reader.as('', { patienceMs: 60_000 }).materialize(digest, join(folder!, 'copy')));
console.log(JSON.stringify({ up, down, digest }));
process.exit(0);
