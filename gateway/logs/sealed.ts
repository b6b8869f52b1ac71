import { Readable } from 'node:stream';
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
  const unpacked = Readable.from(blobs.read(digest)).compose(createGunzip()).setEncoding('utf8') as AsyncIterable<string>;
  let rest = '';
  for await (const chunk of unpacked) {
    // By line feeds alone: a text may hold what else Unicode calls a line's end.
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      const [number, time, text] = JSON.parse(line) as [number, number, string];
      yield { number, time, text };
    }
  }
}
