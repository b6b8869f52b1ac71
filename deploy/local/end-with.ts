import { readFileSync } from 'node:fs';

const repeatMs = 1_000;

/**
 * Calls `stop` at the first signal and `force` at the next one. A terminal's ctrl-C comes twice under npm (from the
 * terminal, and passed on), so a signal within a second of the first is the same one.
 */
export function onSignals(stop: (why: string) => void, force: () => void): void {
  let first: number | undefined;
  const handle = (signal: string): void => {
    if (first === undefined) {
      first = performance.now();
      stop(signal);
    } else if (performance.now() - first > repeatMs) force();
  };
  process.on('SIGINT', handle);
  process.on('SIGTERM', handle);
  if (hangupCounts()) process.on('SIGHUP', handle);
}

/**
 * Under `npm start` the user's handle on all this is npm; where npm is killed with -9 nothing passes that on, except
 * that this process gets another parent.
 */
export function onParentGone(stop: (why: string) => void): void {
  if (process.env['npm_lifecycle_event'] === undefined) return;
  const parent = process.ppid;
  setInterval(() => { if (process.ppid !== parent) stop('npm is gone'); }, 500).unref();
}

/** Stops when standard input ends without the word `stay`: whoever started this died before it could let go. */
export function onInputEnd(stop: (why: string) => void): void {
  let text = '';
  process.stdin.setEncoding('utf8').on('data', (chunk: string) => { text = (text + chunk).slice(-16); });
  process.stdin.on('close', () => { if (!text.includes('stay')) stop('the quickstart is gone'); });
}

/** `nohup` has SIGHUP ignored, and a handler would undo that. Elsewhere than on Linux the default stays: leashes end all. */
function hangupCounts(): boolean {
  try {
    const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
    return mask !== undefined && (BigInt(`0x${mask}`) & 1n) === 0n;
  } catch {
    return false;
  }
}
