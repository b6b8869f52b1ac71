import { Readable } from 'node:stream';
import { createInterface } from 'node:readline';
import { createGunzip, createGzip } from 'node:zlib';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import type { LogLine } from './lines.ts';

/** Stores lines as gzip of JSON lines, `[number, time, text]` each. @returns the blob's digest */
export async function storeLog(blobs: BlobStore, lines: readonly LogLine[]): Promise<string> {
  const text = Readable.from(lines.map(({ number, time, text }) => `${JSON.stringify([number, time, text])}\n`));
  return (await blobs.put(text.compose(createGzip()) as AsyncIterable<Uint8Array>)).digest;
}

/** @throws ForgeError not_found, where the blob is gone */
export async function* readLog(blobs: BlobStore, digest: string): AsyncGenerator<LogLine> {
  const source = Readable.from(blobs.read(digest));
  const unpacked = createGunzip();
  source.on('error', (error) => unpacked.destroy(error));
  const lines = createInterface({ input: source.pipe(unpacked), crlfDelay: Infinity });
  try {
    for await (const line of lines) {
      const [number, time, text] = JSON.parse(line) as [number, number, string];
      yield { number, time, text };
    }
    if (unpacked.errored) throw unpacked.errored;
  } finally {
    lines.close();
    source.destroy();
  }
}
