import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { unlessMissing } from './blob-files.ts';
import { uploadsFolder } from './partial-uploads.ts';

const dayMs = 24 * 3_600_000;

/**
 * Removes what writers that were killed, and uploads that nobody went on with, left in a file blob store; younger files may
 * be somebody's. Never rejects.
 * @returns what could not be removed, and why
 */
export async function sweepTemporary(root: string, now = Date.now()): Promise<string[]> {
  const problems: string[] = [];
  for (const folder of ['tmp', uploadsFolder]) {
    try {
      for (const name of (await unlessMissing(readdir(join(root, folder)))) ?? []) await sweep(join(root, folder, name));
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  return problems;

  async function sweep(path: string): Promise<void> {
    try {
      const found = await unlessMissing(stat(path));
      if (found !== undefined && now - found.mtimeMs > dayMs) await rm(path, { force: true });
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
}
