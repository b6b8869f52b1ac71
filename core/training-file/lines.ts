/** A line without its end; `bytes` is its length with it. A problem stands where it can't be read as text. */
export type Line = { line: number; bytes: number } & ({ text: string; problem?: undefined } | { text?: undefined; problem: string });

/**
 * Cuts bytes into lines as they come. A line that is too long is told of and skipped without being kept.
 */
export function createLineCutter(maxLineBytes: number) {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let parts: Uint8Array[] = [];
  let size = 0;
  let line = 0;

  const grow = (part: Uint8Array): void => {
    size += part.length;
    if (size <= maxLineBytes) parts.push(part);
    else parts = [];
  };
  const take = (): Line => {
    line += 1;
    const bytes = size + 1;
    const tooLong = size > maxLineBytes;
    const whole = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    parts = [];
    size = 0;
    if (tooLong) return { line, bytes, problem: `has more than ${maxLineBytes} bytes` };
    try {
      // The decoder drops a byte order mark by itself.
      return { line, bytes, text: decoder.decode(whole).replace(/\r$/, '') };
    } catch {
      return { line, bytes, problem: 'is not UTF-8' };
    }
  };

  return {
    *push(chunk: Uint8Array): Generator<Line> {
      let start = 0;
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
        grow(chunk.subarray(start, end));
        yield take();
        start = end + 1;
      }
      if (start < chunk.length) grow(chunk.subarray(start));
    },
    /** What comes after the last line end. */
    *end(): Generator<Line> {
      if (size > 0) yield take();
    },
  };
}
