/**
 * Stands between daemon and trainer, and is never stopped: a trainer that was sent SIGSTOP outlives its killed
 * parent, so someone must be left to kill it. At end of file from the daemon, or when the daemon has been silent for
 * too long, it kills the trainer's whole process group.
 *
 *   node guard.ts <silence ms> <command> [argument ...]
 *
 * Descriptors: 0 orders from the daemon, a word a line (`tick` `stop` `continue` `kill`); 1 news to it, a JSON object
 * a line ({pid}, then {code, signal} or {error}); 2 log; 3 and 4 are the trainer's own, its events and its stdin.
 */
import { spawn } from 'node:child_process';
import { closeSync, writeSync } from 'node:fs';

const [silence, command, ...args] = process.argv.slice(2);
const silenceMs = Number(silence);
if (!(silenceMs > 0) || command === undefined) {
  process.stderr.write('usage: guard.ts <silence ms> <command> [argument ...]\n');
  process.exit(2);
}

const tell = (news: object): void => {
  try {
    writeSync(1, `${JSON.stringify(news)}\n`);
  } catch {
    // The daemon is gone; end of file on its orders says the same.
  }
};

// A session of its own: its group's id is its pid, and no terminal's signal reaches it. Its stdout goes to the log.
const trainer = spawn(command, args, { stdio: [4, 2, 2, 3], detached: true });
for (const descriptor of [3, 4]) closeSync(descriptor);

const signal = (name: NodeJS.Signals): void => {
  if (trainer.pid === undefined) return;
  try {
    process.kill(-trainer.pid, name);
  } catch {
    // Nobody is left in the group.
  }
};

trainer.once('spawn', () => tell({ pid: trainer.pid }));
trainer.once('error', (error) => {
  tell({ error: error.message });
  process.exit(1);
});
trainer.once('exit', (code, by) => {
  // Helpers that the trainer started end with it.
  signal('SIGKILL');
  tell({ code, signal: by });
  process.exit(0);
});

const watchdog = setTimeout(() => {
  process.stderr.write(`guard: no sign of the daemon for ${silenceMs} ms; the trainer is killed\n`);
  signal('SIGKILL');
}, silenceMs);

let orders = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', (text: string) => {
  watchdog.refresh();
  orders += text;
  const lines = orders.split('\n');
  orders = lines.pop()!;
  for (const order of lines) {
    if (order === 'stop') signal('SIGSTOP');
    else if (order === 'continue') signal('SIGCONT');
    else if (order === 'kill') signal('SIGKILL');
  }
});
process.stdin.once('close', () => signal('SIGKILL'));
process.stdin.on('error', () => signal('SIGKILL'));
for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(name, () => signal('SIGKILL'));
