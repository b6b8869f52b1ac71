import { execFile } from 'node:child_process';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const sizeMiB = 192;

/** A small file system of its own, for a disk that is full. */
export interface SmallDisk {
  /** Writes until nothing more fits. */
  fill(): Promise<void>;
  free(): Promise<void>;
  unmount(): Promise<void>;
}

/** Mounts a small tmpfs on a folder. @returns why not, where this user may not */
export async function mountSmallDisk(folder: string): Promise<SmallDisk | string> {
  await mkdir(folder, { recursive: true });
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m,mode=700`, 'tmpfs', folder]);
  } catch (error) {
    return `mounting a small file system needs root: ${(error as Error).message.trim()}`;
  }
  const ballast = join(folder, 'ballast');
  return {
    async fill() {
      const file = await open(ballast, 'w');
      try {
        for (const block of [1 << 20, 4_096]) {
          for (;;) {
            const written = await file.write(Buffer.alloc(block)).then(({ bytesWritten }) => bytesWritten, (error: NodeJS.ErrnoException) => {
              if (error.code !== 'ENOSPC') throw error;
              return 0;
            });
            if (written < block) break;
          }
        }
      } finally {
        await file.close();
      }
    },
    free: () => rm(ballast, { force: true }),
    unmount: async () => void (await run('umount', ['-l', folder])),
  };
}
