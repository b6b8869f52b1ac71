import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Bytes of all files below a folder. What vanishes meanwhile, as git's temporary files do, counts as nothing. */
export async function folderBytes(folder: string): Promise<number> {
  let bytes = 0;
  const entries = await readdir(folder, { withFileTypes: true }).catch(absent([]));
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) bytes += await folderBytes(path);
    // A repack writes `.tmp-*` beside what it replaces: for that time nothing has grown.
    else if (entry.isFile() && !entry.name.startsWith('.tmp-')) bytes += (await stat(path).catch(absent({ size: 0 }))).size;
  }
  return bytes;
}

/**
 * Looks at the size of a folder until it is stopped.
 * @param onOver called once, when the folder is over `maxBytes`
 */
export function watchSize(folder: string, maxBytes: number, everyMs: number, onOver: () => void): { stop(): void } {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  const look = async (): Promise<void> => {
    const over = (await folderBytes(folder)) > maxBytes;
    if (stopped) return;
    if (over) onOver();
    else plan();
  };
  const plan = (): void => {
    timer = setTimeout(() => void look().catch(() => plan()), everyMs);
  };
  plan();
  return {
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

function absent<T>(value: T): (error: unknown) => T {
  return (error) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return value;
    throw error;
  };
}
