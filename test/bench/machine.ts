import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';

/** What a benchmark ran on, for the first line of what it prints. */
export function machine(): string {
  return `${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores; Node ${process.version}`;
}

/** The commit that is checked out. */
export function revision(): string {
  return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
}
