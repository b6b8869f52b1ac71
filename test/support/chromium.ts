import { delimiter, join } from 'node:path';
import { isExecutable } from './executable.ts';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** A browser on PATH; undefined when there is none. */
export function findChromium(): string | undefined {
  return (process.env['PATH'] ?? '').split(delimiter).flatMap((dir) => names.map((name) => join(dir, name))).find(isExecutable);
}

/** Options of a test that needs a browser: skipped, saying so, where there is none. */
export const needsChromium = (): { skip?: string } => (findChromium() === undefined ? { skip: 'there is no Chromium on PATH' } : {});
