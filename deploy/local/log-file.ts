import { appendFileSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

export interface LogFile {
  path: string;
  write(line: string): void;
}

/**
 * A log that stays below `(kept + 1) * maxBytes` on disk: when full it becomes `<path>.1`, that one `<path>.2`, and so on.
 * A disk that is full must not stop what is being logged, so write errors are dropped.
 */
export function openLogFile(path: string, maxBytes = 8 * 1024 * 1024, kept = 2): LogFile {
  mkdirSync(dirname(path), { recursive: true });
  let size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const rotate = (): void => {
    for (let n = kept; n >= 1; n -= 1) {
      try { renameSync(n === 1 ? path : `${path}.${n - 1}`, `${path}.${n}`); } catch { /* not that many yet */ }
    }
    size = 0;
  };
  return {
    path,
    write(line) {
      const text = `${line}\n`;
      const bytes = Buffer.byteLength(text);
      if (size > 0 && size + bytes > maxBytes) rotate();
      try {
        appendFileSync(path, text, { mode: 0o600 });
        size += bytes;
      } catch { /* see above */ }
    },
  };
}
