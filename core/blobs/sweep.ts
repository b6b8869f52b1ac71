import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

const dayMs = 24 * 3_600_000;

/** Removes what writers that were killed left half-written in a file blob store; younger files may be somebody's. */
export async function sweepTemporary(root: string, now = Date.now()): Promise<void> {
  const folder = join(root, 'tmp');
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && now - found.mtimeMs > dayMs) await rm(path, { force: true });
  }
}
