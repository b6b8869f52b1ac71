import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const limits = { timeout: 300_000, maxBuffer: 16 << 20 } as const;
const python = join(import.meta.dirname, '../../.venv/bin/python');

/** A registry, as its ordinary client knows it. */
export type Registry = 'pypi' | 'go' | 'crates' | 'npm';

/** Where downloads of tests and benchmarks are kept between runs. */
export function toolsCache(env: NodeJS.ProcessEnv = process.env): string {
  return join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'ai-forge-tools');
}

/**
 * The files of a published version, fetched once by the registry's own client (pip, go, cargo, npm) and kept.
 * @param keep the top entries to keep; all when absent
 * @returns its folder, for reading alone
 * @throws Error of the client
 */
export async function packageFiles(cacheDir: string, registry: Registry, name: string, version: string, keep?: readonly string[]): Promise<string> {
  const parent = join(cacheDir, 'packages', registry);
  const target = join(parent, `${name.replaceAll('/', '+')}-${version}`);
  if (await isFolder(target)) return target;
  await mkdir(parent, { recursive: true });
  const work = await mkdtemp(join(parent, '.fetch-'));
  try {
    const files = join(work, 'files');
    await mkdir(files);
    await fetchers[registry](cacheDir, work, files, name, version);
    for (const entry of await readdir(files)) {
      if (keep !== undefined && !keep.includes(entry)) await rm(join(files, entry), { recursive: true });
    }
    await placeFolder(files, target);
    return target;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Moves a finished folder to its place; one that another process put there meanwhile counts. */
export async function placeFolder(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!(await isFolder(to))) throw error;
  }
}

export async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

type Fetcher = (cacheDir: string, work: string, files: string, name: string, version: string) => Promise<void>;

const fetchers: Readonly<Record<Registry, Fetcher>> = {
  async pypi(_cacheDir, work, files, name, version) {
    await run(python, ['-m', 'pip', 'download', '--quiet', '--no-deps', '--no-binary', ':all:', '--dest', work, '--', `${name}==${version}`], limits);
    await unpack(work, '.tar.gz', files);
  },
  async go(cacheDir, work, files, name, version) {
    const env = { ...process.env, GOFLAGS: '-mod=mod -modcacherw', GOMODCACHE: join(cacheDir, 'go') };
    const { stdout } = await run('go', ['mod', 'download', '-json', '--', `${name}@${version}`], { ...limits, cwd: work, env });
    await cp((JSON.parse(stdout) as { Dir: string }).Dir, files, { recursive: true });
  },
  async crates(cacheDir, work, files, name, version) {
    const home = join(cacheDir, 'cargo');
    await mkdir(join(work, 'src'));
    await writeFile(join(work, 'src/lib.rs'), '');
    await writeFile(join(work, 'Cargo.toml'), `[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\n"${name}" = "=${version}"\n`);
    await run('cargo', ['fetch', '--quiet'], { ...limits, cwd: work, env: { ...process.env, CARGO_HOME: home } });
    for (const index of await readdir(join(home, 'registry/cache'))) {
      const archive = join(home, 'registry/cache', index, `${name}-${version}.crate`);
      if ((await stat(archive).catch(() => undefined)) !== undefined) return untar(archive, files);
    }
    throw new Error(`cargo fetched no ${name} ${version}`);
  },
  async npm(_cacheDir, work, files, name, version) {
    await run('npm', ['pack', '--silent', '--pack-destination', work, '--', `${name}@${version}`], { ...limits, cwd: work });
    await unpack(work, '.tgz', files);
  },
};

async function unpack(folder: string, ending: string, into: string): Promise<void> {
  const [archive] = (await readdir(folder)).filter((name) => name.endsWith(ending));
  if (archive === undefined) throw new Error(`no ${ending} came`);
  await untar(join(folder, archive), into);
}

async function untar(archive: string, into: string): Promise<void> {
  await run('tar', ['-xzf', archive, '--strip-components=1', '--no-same-owner', '-C', into], limits);
}
