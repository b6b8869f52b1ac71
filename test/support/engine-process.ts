import { readFileSync, readdirSync } from 'node:fs';

/** Process id of the embedded engine that serves from this data directory, as /proc tells it. Linux only. */
export function enginePid(dataDir: string): number {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const args = readFileSync(`/proc/${name}/cmdline`, 'utf8');
      if (args.includes('embedded/server.ts') && args.includes(dataDir)) return Number(name);
    } catch {
      // It has ended meanwhile.
    }
  }
  throw new Error(`no engine serves from ${dataDir}`);
}
