import { spawn } from 'node:child_process';
import { identify } from '../pid-lock.mjs';

/** A step of the set-up that failed, with what to do about it. */
export class SetupError extends Error {}

/** What npm and uv are at, by process id. They outlive a set-up that is killed with -9, and must not meet another. */
const working = new Map();
let tell = () => {};

/**
 * Has the commands that run now told, at once and whenever one starts or ends.
 * @param {(workers: { pid: number, started: string }[]) => void} listener
 */
export function onWorkers(listener) {
  tell = () => listener([...working.values()]);
  tell();
}

const silenceMs = 20_000;

/**
 * Runs a command to its end and keeps its output for the case that it fails.
 * @param {string} what the step in plain words, shown with the time it took
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd: string, env?: NodeJS.ProcessEnv, say: (line: string) => void }} options
 * @returns {Promise<string>} standard output
 */
export function runStep(what, command, args, { cwd, env = process.env, say }) {
  const begin = Date.now();
  const seconds = () => `${Math.round((Date.now() - begin) / 1000)} s`;
  say(`${what} ...`);
  const reminder = setInterval(() => say(`${what}: still at it after ${seconds()}`), silenceMs);
  return run(command, args, { cwd, env }).then(
    (result) => {
      clearInterval(reminder);
      if (result.status !== 0) {
        const tail = `${result.stdout}\n${result.stderr}`.trim().split('\n').slice(-25).join('\n    ');
        throw new SetupError(`${what} failed after ${seconds()} (${command} ended with ${result.status}):\n    ${tail}`);
      }
      say(`${what}: done in ${seconds()}`);
      return result.stdout;
    },
    (error) => { clearInterval(reminder); throw new SetupError(`${what} failed: ${command}: ${error.message}`); },
  );
}

/**
 * Runs a command without a shell and without input.
 * @returns {Promise<{ status: number | string, stdout: string, stderr: string }>} rejects when it cannot be started
 */
export function run(command, args, { cwd, env = process.env }) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const { pid } = child;
    if (pid !== undefined) {
      working.set(pid, identify(pid));
      tell();
    }
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text) => { stdout = (stdout + text).slice(-200_000); });
    child.stderr.setEncoding('utf8').on('data', (text) => { stderr = (stderr + text).slice(-200_000); });
    child.on('error', reject);
    child.on('exit', () => {
      working.delete(pid);
      tell();
    });
    child.on('close', (code, signal) => resolve({ status: code ?? signal ?? 'unknown', stdout, stderr }));
  });
}
