import { exitCode, spawnGit } from './run.ts';

/** Longer than any path or name that is of use. */
const maxRecordBytes = 65_536;

/** Git ended with an error; `complaint` is what it said. */
export class GitFailure extends Error {
  readonly complaint: string;

  constructor(command: string, complaint: string) {
    super(`git ${command} failed: ${complaint}`);
    this.name = 'GitFailure';
    this.complaint = complaint;
  }
}

/**
 * Runs git and gives its output record by record, so that memory stays the same however much it says.
 * @param end the byte that ends each record: 0 with `-z`, 10 for lines
 * @throws GitFailure when git fails or a record is over 64 KiB; the signal's reason when it is aborted
 */
export async function* readRecords(repository: string, args: readonly string[], end: 0 | 10, signal: AbortSignal): AsyncGenerator<string> {
  signal.throwIfAborted();
  const command = args[0] ?? '';
  const child = spawnGit(repository, args);
  const stop = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', stop, { once: true });
  const ended = exitCode(child);
  ended.catch(() => undefined);
  child.stdin.on('error', () => undefined).end();
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint = (complaint + text).slice(0, 2_000)));
  try {
    let rest: Buffer = Buffer.alloc(0);
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let start = 0;
      for (let at = rest.indexOf(end); at >= 0; at = rest.indexOf(end, start)) {
        yield rest.toString('utf8', start, at);
        start = at + 1;
      }
      rest = rest.subarray(start);
      if (rest.length > maxRecordBytes) throw new GitFailure(command, `a path or name has more than ${maxRecordBytes} bytes`);
    }
    const code = await ended;
    signal.throwIfAborted();
    if (code !== 0 || rest.length > 0) throw new GitFailure(command, complaint.trim() || 'its output ended early');
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}
