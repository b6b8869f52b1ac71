import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { exitCode, spawnGit } from './run.ts';
import { missing } from './tree.ts';

/**
 * Reads objects through one `git cat-file --batch` child, in the order asked. At most one object and one chunk of
 * the pipe are in memory: git waits while the reader does.
 * @param objects full object ids of blobs
 * @param maxBytes size over which an object is an error; list sizes first and leave such objects out
 * @throws Error when an object is missing or too large, or git ends early
 */
export async function* readObjects(repository: string, objects: readonly string[], maxBytes: number, signal: AbortSignal): AsyncGenerator<Buffer> {
  if (objects.length === 0) return;
  const child = spawnGit(repository, ['cat-file', '--batch', '--buffer']);
  const stop = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', stop, { once: true });
  const ended = exitCode(child);
  ended.catch(() => undefined);
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint = (complaint + text).slice(0, 2_000)));
  try {
    const asked = ask(child.stdin, objects);
    asked.catch(() => undefined);
    const pipe = createPipeReader(child.stdout);
    for (const object of objects) {
      const header = await pipe.line();
      if (header === undefined) {
        signal.throwIfAborted();
        await ended;
        throw new Error(`git ended before object ${object}: ${complaint.trim()}`);
      }
      // `<object> <type> <size>`, or `<object> missing`
      const [, type, size] = header.split(' ');
      if (type === 'missing') throw new Error(`object ${object} ${missing}`);
      const bytes = Number(size);
      if (type !== 'blob' || !(bytes <= maxBytes)) throw new Error(`object ${object} is no blob of at most ${maxBytes} bytes: ${header.slice(0, 100)}`);
      const content = await pipe.bytes(bytes + 1);
      if (content === undefined) {
        signal.throwIfAborted();
        throw new Error(`git ended within object ${object}: ${complaint.trim()}`);
      }
      yield content.subarray(0, bytes);
    }
    await asked;
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}

async function ask(stdin: Writable, objects: readonly string[]): Promise<void> {
  const gone = new Promise<void>((resolve) => stdin.on('error', () => resolve()).once('close', () => resolve()));
  for (let start = 0; start < objects.length && !stdin.destroyed; start += 1_000) {
    const more = stdin.write(`${objects.slice(start, start + 1_000).join('\n')}\n`);
    if (!more) await Promise.race([once(stdin, 'drain').catch(() => undefined), gone]);
  }
  stdin.end();
}

/** Lines and counted bytes from one stream; undefined where it ends before. */
function createPipeReader(stream: Readable) {
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let rest: Buffer = Buffer.alloc(0);

  async function more(): Promise<boolean> {
    const next = await chunks.next();
    if (next.done === true) return false;
    rest = rest.length === 0 ? next.value : Buffer.concat([rest, next.value]);
    return true;
  }
  async function bytes(count: number): Promise<Buffer | undefined> {
    if (rest.length < count) {
      // Collected in parts: joining after each chunk would be quadratic in the object's size.
      const parts = [rest];
      let size = rest.length;
      while (size < count) {
        const next = await chunks.next();
        if (next.done === true) return undefined;
        parts.push(next.value);
        size += next.value.length;
      }
      rest = Buffer.concat(parts);
    }
    const taken = rest.subarray(0, count);
    rest = rest.subarray(count);
    return taken;
  }
  async function line(): Promise<string | undefined> {
    for (;;) {
      const end = rest.indexOf(10);
      if (end >= 0) return (await bytes(end + 1))!.toString('latin1', 0, end);
      if (rest.length > 4_096 || !(await more())) return undefined;
    }
  }
  return { line, bytes };
}
