import type { Readable } from 'node:stream';

/**
 * Calls back with each line of a stream, without its end (`\n`, `\r\n`, or `\r` as progress bars write it).
 * A line over `maxLength` characters is cut, and the rest of it left out.
 * @returns when the stream has ended
 */
export function eachLine(stream: Readable, maxLength: number, onLine: (line: string) => void): Promise<void> {
  let rest = '';
  let cut = false;
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    const lines = (rest + text).split(/\r\n|\n|\r/);
    rest = lines.pop()!;
    for (const line of lines) {
      if (!cut) onLine(line.slice(0, maxLength));
      cut = false;
    }
    if (rest.length > maxLength) {
      if (!cut) onLine(rest.slice(0, maxLength));
      cut = true;
      rest = '';
    }
  });
  return new Promise((resolve) => {
    stream.once('close', () => {
      if (rest !== '' && !cut) onLine(rest);
      resolve();
    });
    // A reset pipe ends like a closed one.
    stream.on('error', () => {});
  });
}
