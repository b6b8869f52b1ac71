import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { uploadsFolder } from './partial-uploads.ts';

const dayMs = 24 * 3_600_000;

/** Removes what writers that were killed, and uploads that nobody went on with, left in a file blob store; younger files may be somebody's. */
export async function sweepTemporary(root: string, now = Date.now()): Promise<void> {
  for (const folder of ['tmp', uploadsFolder]) {
    for (const name of await readdir(join(root, folder)).catch(() => [])) {
      const path = join(root, folder, name);
      const found = await stat(path).catch(() => undefined);
      if (found !== undefined && now - found.mtimeMs > dayMs) await rm(path, { force: true });
    }
  }
}
