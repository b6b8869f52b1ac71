import { StringDecoder } from 'node:string_decoder';
import { exitCode, spawnGit } from '../../git/run.ts';

/** The repository lacks a part of its history that others have; what was made of the rest would be of this copy alone. */
export class HistoryGap extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'HistoryGap';
  }
}

/** How many characters may still be read; `isSpent` once there was more. */
export interface Budget {
  left: number;
  isSpent: boolean;
}

/**
 * Runs git and gives the parts of its output that `separator` parts, the last one too, as long as the budget lasts: the same
 * parts however the pipe cuts them. In memory are one part and a chunk of the pipe.
 * @param input what git reads, in UTF-8
 * @throws HistoryGap when git fails
 */
export async function* readParts(repository: string, args: readonly string[], separator: '\0' | '\n', input: string, budget: Budget, signal: AbortSignal): AsyncGenerator<string> {
  const child = spawnGit(repository, args);
  const stop = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', stop, { once: true });
  const ended = exitCode(child);
  ended.catch(() => undefined);
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint = (complaint + text).slice(0, 2_000)));
  child.stdin.on('error', () => undefined).end(input);
  const decoder = new StringDecoder('utf8');
  try {
    let rest = '';
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      const parts = decoder.write(chunk).split(separator);
      parts[0] = rest + parts[0]!;
      rest = parts.pop()!;
      for (const part of parts) {
        budget.left -= part.length + 1;
        if (budget.left < 0) break;
        yield part;
      }
      budget.isSpent = budget.left < rest.length;
      if (budget.isSpent) return;
    }
    const code = await ended;
    signal.throwIfAborted();
    if (code !== 0) throw new HistoryGap(`git ${args[0]} failed: ${complaint.trim() || 'it said nothing'}`);
    yield rest + decoder.end();
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}
