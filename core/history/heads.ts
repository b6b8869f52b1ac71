import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ForgeError } from '../errors.ts';
import { syncDirectory } from '../sync-directory.ts';

/** What the history was, up to a message, when it was looked at. */
export interface HistoryHead {
  sequence: number;
  digest: string;
  /** ISO 8601. */
  time: string;
}

/** @returns none where there is no file yet. @throws ForgeError invalid_argument for a file that holds something else */
export async function readHeads(path: string): Promise<HistoryHead[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return text.split('\n').filter(Boolean).map((line, index) => {
    try {
      const { sequence, digest, time } = JSON.parse(line) as HistoryHead;
      if (Number.isSafeInteger(sequence) && sequence > 0 && /^[0-9a-f]{64}$/.test(digest) && typeof time === 'string') return { sequence, digest, time };
    } catch {
      // Told below.
    }
    throw new ForgeError('invalid_argument', `${path}: line ${index + 1} is no head of a history; name the file that verify or backup wrote`);
  });
}

/** Adds a head that is newer than all in the file, which is replaced as a whole. */
export async function addHead(path: string, head: HistoryHead): Promise<void> {
  const heads = await readHeads(path);
  if (heads.some(({ sequence }) => sequence >= head.sequence)) return;
  const temporary = `${path}.${process.pid}.tmp`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile([...heads, head].map((one) => `${JSON.stringify(one)}\n`).join(''));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  await syncDirectory(dirname(path));
}
