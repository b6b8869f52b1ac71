import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline as pipe, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { ForgeError } from '../errors.ts';
import { syncDirectory } from '../sync-directory.ts';
import { HistoryDigest } from './history-check.ts';

/** One message of the stream, as it lay there. */
export interface Message {
  sequence: number;
  subject: string;
  bytes: Uint8Array;
}

export interface BackupSummary {
  /** Of the last message; 0 for an empty stream. */
  sequence: number;
  /** Of the history up to there, as verify keeps it. */
  digest: string;
}

/** Written at once, and the most that is kept in memory of a file. */
const pieceLength = 256 << 10;
/** The stream takes messages of 1 MiB, which base64 makes a third longer. */
const maxLineLength = 2 << 20;

const format = 'ai-forge events 1';

/**
 * Writes messages to a new file: gzip of JSON lines, first `{format, time}`, then a message a line, its bytes in
 * base64, last `{end, digest, sha256}`, the SHA-256 of all lines before. It appears under its name when it is whole.
 * @throws ForgeError already_exists; ForgeError wrong_state when a message is missing
 */
export async function writeBackup(path: string, messages: AsyncIterable<Message>, time: number): Promise<BackupSummary> {
  if (await stat(path).catch(() => undefined)) throw new ForgeError('already_exists', `${path} is there already: name another file`);
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  const digest = new HistoryDigest();
  let sequence = 0;
  async function* lines(): AsyncGenerator<string> {
    const hash = createHash('sha256');
    let piece = `${JSON.stringify({ format, time: new Date(time).toISOString() })}\n`;
    for await (const message of messages) {
      if (message.sequence !== sequence + 1) throw new ForgeError('wrong_state', `the stream has no message ${sequence + 1}: it is damaged, and a copy of it could not be put back. Look at it with npm run verify`);
      sequence = message.sequence;
      digest.add(sequence, message.subject, message.bytes);
      piece += `${JSON.stringify([sequence, message.subject, Buffer.from(message.bytes).toString('base64')])}\n`;
      if (piece.length < pieceLength) continue;
      hash.update(piece);
      yield piece;
      piece = '';
    }
    hash.update(piece);
    yield `${piece}${JSON.stringify({ end: sequence, digest: digest.value, sha256: hash.digest('hex') })}\n`;
  }
  try {
    await pipeline(Readable.from(lines()), createGzip(), createWriteStream(temporary, { flags: 'wx', mode: 0o600 }));
    const file = await open(temporary, 'r');
    await file.sync().finally(() => file.close());
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  return { sequence, digest: digest.value };
}

/**
 * Reads a backup from its start, checking as it goes; only with the return value it is known to be whole.
 * @throws ForgeError invalid_argument for a file that is none, or was cut off or changed
 */
export async function* readBackup(path: string): AsyncGenerator<Message, BackupSummary> {
  const damaged = (why: string, cause?: unknown): ForgeError => new ForgeError('invalid_argument', `${path} can’t be restored: ${why}. Nothing was changed; take another backup`, { cause });
  const hash = createHash('sha256');
  const digest = new HistoryDigest();
  let sequence = 0;
  let begun = false;
  let summary: BackupSummary | undefined;
  try {
    for await (const line of linesOf(path)) {
      if (summary !== undefined) throw damaged('something follows its end');
      const value = JSON.parse(line) as { format?: unknown; end?: unknown; digest?: unknown; sha256?: unknown } | [number, string, string];
      if (!begun) {
        if (Array.isArray(value) || value.format !== format) throw damaged(`it is no backup of "${format}"`);
        begun = true;
      } else if (Array.isArray(value)) {
        const [at, subject, base64] = value;
        if (at !== sequence + 1 || typeof subject !== 'string' || typeof base64 !== 'string') throw damaged(`message ${sequence + 1} is not in its place`);
        sequence = at;
        const bytes = Buffer.from(base64, 'base64');
        digest.add(sequence, subject, bytes);
        yield { sequence, subject, bytes };
      } else {
        if (value.end !== sequence || value.sha256 !== hash.digest('hex') || value.digest !== digest.value) throw damaged('its digest at the end is not that of what it holds');
        summary = { sequence, digest: digest.value };
        continue;
      }
      hash.update(`${line}\n`);
    }
  } catch (error) {
    if (error instanceof ForgeError || (error as NodeJS.ErrnoException).code === 'ENOENT') throw error;
    throw damaged((error as Error).message, error);
  }
  if (summary === undefined) throw damaged('it was cut off');
  return summary;
}

async function* linesOf(path: string): AsyncGenerator<string> {
  let rest = '';
  // The reader below gets its errors; the callback is there because a composed stream's could come when nobody listened any more.
  const text = pipe(createReadStream(path), createGunzip(), () => {}).setEncoding('utf8');
  for await (const piece of text as AsyncIterable<string>) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop()!;
    if (rest.length > maxLineLength) throw new RangeError('a line of it is too long');
    yield* lines;
  }
  if (rest !== '') yield rest;
}
