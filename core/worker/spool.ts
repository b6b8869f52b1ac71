import { mkdir, open, readdir, readFile, rm, truncate, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory } from '../sync-directory.ts';
import { attemptKey, type AttemptRef } from './task-runner.ts';

/** One numbered report as it goes over the wire. */
export interface SpooledReport {
  number: number;
  /** It ends the attempt. */
  terminal: boolean;
  /** Encoded ReportRequest. */
  bytes: Uint8Array;
}

/** What a crash may not lose of one attempt: that it began, its reports, and which were answered. */
export interface AttemptSpool {
  readonly ref: AttemptRef;
  /** @returns when it is on disk */
  append(report: SpooledReport): Promise<void>;
  /** Not synced: an answer that is forgotten costs one more sending. */
  acknowledge(number: number): Promise<void>;
  /** Keeps the file for the next start. */
  close(): Promise<void>;
  /** The attempt is over for everybody. */
  remove(): Promise<void>;
}

/** What an earlier process left. */
export interface SpooledAttempt {
  ref: AttemptRef;
  bootId: string;
  reports: SpooledReport[];
  acknowledged: number;
}

interface Begin {
  task: string;
  attempt: number;
  boot: string;
}
type Line = Begin | { n: number; terminal: boolean; report: string } | { ack: number };

const suffix = '.jsonl';

/** One file an attempt in `dir`, JSON lines, appended and synced; a line that a crash tore is cut off on reading. */
export function createSpool(dir: string) {
  const pathOf = (ref: AttemptRef): string => join(dir, `${attemptKey(ref)}${suffix}`);

  function spoolOf(ref: AttemptRef, file: FileHandle): AttemptSpool {
    let closed = false;
    const close = async (): Promise<void> => {
      if (!closed) {
        closed = true;
        await file.close();
      }
    };
    return {
      ref,
      async append(report) {
        await write(file, { n: report.number, terminal: report.terminal, report: Buffer.from(report.bytes).toString('base64') });
        await file.datasync();
      },
      async acknowledge(number) {
        if (!closed) await write(file, { ack: number });
      },
      close,
      async remove() {
        await close();
        await rm(pathOf(ref), { force: true });
      },
    };
  }

  return {
    /** @throws when the attempt has a file already: it was begun before */
    async begin(ref: AttemptRef, bootId: string): Promise<AttemptSpool> {
      const file = await open(pathOf(ref), 'ax', 0o600);
      await write(file, { task: ref.taskId, attempt: ref.attempt, boot: bootId });
      await file.datasync();
      await syncDirectory(dir);
      return spoolOf(ref, file);
    },

    /** To go on with what an earlier process left. */
    reopen: async (ref: AttemptRef): Promise<AttemptSpool> => spoolOf(ref, await open(pathOf(ref), 'a')),

    /** Reads what earlier processes left; a file that does not even say what it is about is removed. */
    async load(): Promise<SpooledAttempt[]> {
      await mkdir(dir, { recursive: true });
      const attempts: SpooledAttempt[] = [];
      for (const name of (await readdir(dir)).filter((name) => name.endsWith(suffix)).sort()) {
        const path = join(dir, name);
        const attempt = parse(await readLines(path));
        if (attempt === undefined) await rm(path, { force: true });
        else attempts.push(attempt);
      }
      return attempts;
    },
  };
}

export type Spool = ReturnType<typeof createSpool>;

function write(file: FileHandle, line: Line): Promise<void> {
  return file.appendFile(`${JSON.stringify(line)}\n`);
}

async function readLines(path: string): Promise<Line[]> {
  const text = await readFile(path, 'utf8');
  const lines: Line[] = [];
  let good = 0;
  while (good < text.length) {
    const end = text.indexOf('\n', good);
    if (end === -1) break;
    try {
      lines.push(JSON.parse(text.slice(good, end)) as Line);
    } catch {
      break;
    }
    good = end + 1;
  }
  // All lines are ASCII, so characters are bytes. What follows a torn line was never acted on.
  if (good < text.length) await truncate(path, good);
  return lines;
}

function parse(lines: Line[]): SpooledAttempt | undefined {
  const [begin, ...rest] = lines;
  if (begin === undefined || !('task' in begin)) return undefined;
  const attempt: SpooledAttempt = { ref: { taskId: begin.task, attempt: begin.attempt }, bootId: begin.boot, reports: [], acknowledged: 0 };
  for (const line of rest) {
    if ('n' in line) attempt.reports.push({ number: line.n, terminal: line.terminal, bytes: Buffer.from(line.report, 'base64') });
    else if ('ack' in line) attempt.acknowledged = Math.max(attempt.acknowledged, line.ack);
  }
  return attempt;
}
