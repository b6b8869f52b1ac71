import type { Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createLineCutter } from '../../core/training-file/lines.ts';

/**
 * Reads the lines of a file, without their ends, and hashes all of its bytes on the way.
 * @throws Error with the line's number when a line is longer than `maxLineBytes` or not UTF-8
 */
export async function* hashedLines(path: string, hash: Hash, maxLineBytes: number, signal: AbortSignal): AsyncGenerator<{ line: number; text: string; bytes: number }> {
  const cutter = createLineCutter(maxLineBytes);
  const checked = function* (lines: ReturnType<typeof cutter.push>) {
    for (const { line, text, bytes, problem } of lines) {
      if (problem !== undefined) throw new Error(`${path}: line ${line} ${problem}`);
      yield { line, text: text!, bytes };
    }
  };
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, signal }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    yield* checked(cutter.push(chunk));
  }
  yield* checked(cutter.end());
}
