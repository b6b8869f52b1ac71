import type { Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/**
 * Reads the lines of a file, without their ends, and hashes all of its bytes on the way.
 * @throws Error with the line's number when a line is longer than `maxLineBytes` or not UTF-8
 */
export async function* hashedLines(path: string, hash: Hash, maxLineBytes: number, signal: AbortSignal): AsyncGenerator<{ line: number; text: string; bytes: number }> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let parts: Buffer[] = [];
  let size = 0;
  let line = 0;

  const take = (): { line: number; text: string; bytes: number } => {
    line += 1;
    const bytes = Buffer.concat(parts);
    parts = [];
    size = 0;
    try {
      // The decoder drops a byte order mark by itself.
      return { line, text: decoder.decode(bytes).replace(/\r$/, ''), bytes: bytes.length + 1 };
    } catch (cause) {
      throw new Error(`${path}: line ${line} is not UTF-8`, { cause });
    }
  };
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, signal }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      parts.push(chunk.subarray(start, end));
      size += end - start;
      if (size > maxLineBytes) throw new Error(`${path}: line ${line + 1} has more than ${maxLineBytes} bytes`);
      yield take();
      start = end + 1;
    }
    if (start < chunk.length) parts.push(chunk.subarray(start));
    size += chunk.length - start;
    if (size > maxLineBytes) throw new Error(`${path}: line ${line + 1} has more than ${maxLineBytes} bytes`);
  }
  if (size > 0) yield take();
}
