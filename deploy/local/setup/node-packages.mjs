import { existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf, readStamp } from './stamp.mjs';
import { run, runStep, SetupError } from './run-command.mjs';

const neededMajor = 24;

/**
 * Installs node_modules from the lock file, Node 24 among it, unless exactly that is there.
 * Install scripts stay off: nothing here needs one, and they would fetch from elsewhere.
 * @param {{ root: string, say: (line: string) => void }} options
 */
export async function ensureNodePackages({ root, say }) {
  const stamp = join(root, 'node_modules', '.forge-stamp');
  const wanted = digestOf([join(root, 'package.json'), join(root, 'package-lock.json')], `${process.platform}-${process.arch}`);
  if (readStamp(stamp) === wanted && existsSync(nodeBinary(root))) return;
  if (!matchesLock(root)) {
    rmSync(stamp, { force: true });
    await runStep('Node packages (npm ci)', 'npm', ['ci', '--ignore-scripts', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, say });
  }
  await ensureNode(root);
  writeFileSync(stamp, wanted);
}

/** The services run on this one; npm scripts find it first. */
export function nodeBinary(root) {
  return join(root, 'node_modules', '.bin', 'node');
}

/** Where npm has no Node for this platform, the one that runs this will do, if it is new enough. */
async function ensureNode(root) {
  const binary = nodeBinary(root);
  if (!existsSync(binary)) {
    const major = Number(process.versions.node.split('.')[0]);
    if (major < neededMajor) {
      throw new SetupError(`npm has no Node ${neededMajor} for ${process.platform}-${process.arch}, and this is Node ${process.versions.node}. Install Node ${neededMajor} or newer and run the command again.`);
    }
    symlinkSync(process.execPath, binary);
  }
  const result = await run(binary, ['--version'], { cwd: root }).catch((error) => ({ status: error.message, stdout: '', stderr: '' }));
  if (result.status !== 0) throw new SetupError(`${binary} does not run here (${result.stderr.trim() || result.status}). Install Node ${neededMajor} from nodejs.org, remove node_modules and run the command again.`);
}

/** Whether what npm recorded of the last installation is what the lock file asks for. */
function matchesLock(root) {
  const lock = parse(join(root, 'package-lock.json'))?.packages;
  const there = parse(join(root, 'node_modules', '.package-lock.json'))?.packages;
  if (lock === undefined || there === undefined) return false;
  for (const [path, entry] of Object.entries(lock)) {
    if (path === '') continue;
    const installed = there[path];
    if (installed === undefined ? !entry.optional : installed.version !== entry.version || installed.integrity !== entry.integrity) return false;
  }
  return Object.keys(there).every((path) => path in lock && existsSync(join(root, path)));
}

function parse(path) {
  try { return JSON.parse(readFileSync(path, 'utf8')); } catch { return undefined; }
}
