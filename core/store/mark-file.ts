import { readFile, rename, writeFile } from 'node:fs/promises';
import { ForgeError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Mark } from './continuity.ts';

/** A mark that is some seconds old is as good: it only has to be newer than the copy that somebody brings back. */
const writeEveryMs = 5_000;

/** @returns undefined where nothing was seen yet. @throws ForgeError invalid_argument for a file that is no mark */
export async function readMark(path: string): Promise<Mark | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { sequence, sha256 } = JSON.parse(text) as Mark;
    if (Number.isSafeInteger(sequence) && sequence > 0 && /^[0-9a-f]{64}$/.test(sha256)) return { sequence, sha256 };
  } catch {
    // Told below.
  }
  throw new ForgeError('invalid_argument', `${path} is no mark of the event stream: check the stream with npm run verify, and delete the file`);
}

export async function writeMark(path: string, mark: Mark): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, `${JSON.stringify(mark)}\n`, { mode: 0o600 });
  await rename(temporary, path);
}

/** Writes down now and then what was seen last, so that the next process knows it. */
export function keepMark(path: string, newest: () => Mark | undefined, logger: Logger): { stop(): Promise<void> } {
  let written = 0;
  let writing = Promise.resolve();
  const write = (): void => {
    writing = writing.then(async () => {
      const mark = newest();
      if (mark === undefined || mark.sequence === written) return;
      await writeMark(path, mark);
      written = mark.sequence;
    }).catch((error: unknown) => logger.warn('the mark of the event stream could not be written', { path, error: (error as Error).message }));
  };
  const timer = setInterval(write, writeEveryMs).unref();
  return {
    stop() {
      clearInterval(timer);
      write();
      return writing;
    },
  };
}
