// Sets up all that AI Forge needs: Node packages (Node 24 among them), the Python environment, nats-server, the converter.
// Runs on Node 20 with nothing installed, so it is plain JavaScript over Node's own modules. Quick when all is there.
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isAlive, takeLock } from './pid-lock.mjs';
import { ensureNodePackages } from './setup/node-packages.mjs';
import { ensurePythonEnvironment } from './setup/python-environment.mjs';
import { onWorkers, run, SetupError } from './setup/run-command.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
const purposes = ['start', 'quickstart', 'test'];
const say = (line) => process.stderr.write(`set-up: ${line}\n`);

async function main(args) {
  if (args.length !== 2 || args[0] !== '--for' || !purposes.includes(args[1])) throw new SetupError(`usage: node deploy/local/setup.mjs --for ${purposes.join('|')}`);
  if (Number(process.versions.node.split('.')[0]) < 20) throw new SetupError(`Node 20 or newer is needed, this is ${process.versions.node}.`);
  if (process.platform === 'win32') throw new SetupError('Linux and macOS are supported; on Windows use WSL.');
  if (process.platform === 'darwin' && process.arch === 'x64') {
    throw new SetupError('Macs with an Intel processor are not supported: there are no packages of PyTorch for them. If this Mac has an Apple processor, install Node for arm64 and run the command again.');
  }
  if (!existsSync(join(root, 'package-lock.json'))) throw new SetupError(`${root} is no checkout of AI Forge: package-lock.json is missing.`);
  const git = await run('git', ['--version'], { cwd: root }).catch(() => undefined);
  if (git?.status !== 0) throw new SetupError('git is needed and was not found. On Debian or Ubuntu: apt-get install git.');
  const lock = await waitForLock(join(root, '.venv', '.setup.lock'));
  try {
    onWorkers((workers) => lock.update({ workers }));
    // They share nothing but the network, so the slower one (Python) hides the other.
    const outcomes = await Promise.allSettled([ensureNodePackages({ root, say }), ensurePythonEnvironment({ root, say })]);
    const failed = outcomes.filter((o) => o.status === 'rejected').map((o) => o.reason);
    const unexpected = failed.find((error) => !(error instanceof SetupError));
    if (unexpected !== undefined) throw unexpected;
    if (failed.length > 0) throw new SetupError(failed.map((error) => error.message).join('\n'));
  } finally {
    onWorkers(() => {});
    lock.release();
  }
}

/** Two commands at once must not install into the same folders: the second waits, and then finds all done. */
async function waitForLock(path) {
  for (let said = false; ; said = true) {
    const lock = takeLock(path, {});
    if (lock.held) return lock;
    if (!said) say(`another set-up runs (process ${[lock.owner, ...(lock.owner.workers ?? [])].find(isAlive)?.pid ?? lock.owner.pid}); waiting for it`);
    await new Promise((done) => setTimeout(done, 300));
  }
}

main(process.argv.slice(2)).catch((error) => {
  process.stderr.write(`set-up: ${error instanceof SetupError ? error.message : error.stack}\n`);
  process.exitCode = 1;
});
