import { cp, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isFolder, packageFiles, placeFolder, toolsCache, type Registry } from './registry-packages.ts';
import { git } from './repository.ts';

/** A published project under git: each version is a commit that follows the one before. */
export interface RealRepository {
  name: string;
  language: string;
  /** Path of the git repository, shared between runs: for reading alone. */
  repository: string;
  /** Ids of the commits, oldest first. */
  commits: string[];
}

interface Source {
  name: string;
  language: string;
  registry: Registry;
  package: string;
  versions: readonly string[];
  keep?: readonly string[];
  /** The last commit, which follows from all files of all versions: what a registry gives is what was pinned here. */
  head: string;
}

/** None of them is in the starter model's corpus (gpu-agent/starter-corpus.ts). */
const sources: readonly Source[] = [
  { name: 'werkzeug', language: 'python', registry: 'pypi', package: 'werkzeug', versions: ['3.0.6', '3.1.0', '3.1.3'], head: '1f0a41dfa679430f44f353f0931fa26f32a8592d' },
  { name: 'gin', language: 'go', registry: 'go', package: 'github.com/gin-gonic/gin', versions: ['v1.9.0', 'v1.9.1', 'v1.10.0'], head: 'c484898c7ada8bed34df6175ef0f17bdaa59de6f' },
  { name: 'serde_json', language: 'rust', registry: 'crates', package: 'serde_json', versions: ['1.0.100', '1.0.120', '1.0.140'], head: '0ecb7a3a09fc2b2abd5198dcf2551fb690e83698' },
  // Of an npm package only what people wrote: the rest is compiled from it.
  { name: 'zod', language: 'typescript', registry: 'npm', package: 'zod', versions: ['4.0.0', '4.1.0', '4.1.5'], keep: ['src', 'README.md', 'package.json'], head: 'e23a841275b2a0e9f4a8db3e294c84d383dd3e41' },
];

/**
 * Real repositories of different languages, with a history of real versions, made once through the package registries.
 * Authors and times are fixed, so commits are the same on every machine.
 * @param languages which ones; all when absent
 * @throws Error of a registry's client, or when the files are not those that were pinned
 */
export async function realRepositories(cacheDir: string = toolsCache(), languages?: readonly string[]): Promise<RealRepository[]> {
  const made: RealRepository[] = [];
  for (const source of sources) {
    if (languages === undefined || languages.includes(source.language)) made.push(await realRepository(cacheDir, source));
  }
  return made;
}

async function realRepository(cacheDir: string, source: Source): Promise<RealRepository> {
  const { name, language, versions } = source;
  const repository = join(cacheDir, 'repositories', `${name}-${source.head.slice(0, 12)}`);
  if (!(await isFolder(repository))) await makeHistory(cacheDir, source, repository);
  const commits = (await git(repository, 'rev-list', '--reverse', 'HEAD')).split('\n');
  if (commits.length !== versions.length || commits.at(-1) !== source.head) throw new Error(`${name}: the last commit is ${commits.at(-1)}, and ${source.head} was pinned`);
  return { name, language, repository, commits };
}

async function makeHistory(cacheDir: string, source: Source, target: string): Promise<void> {
  const parent = join(cacheDir, 'repositories');
  await mkdir(parent, { recursive: true });
  const work = await mkdtemp(join(parent, '.make-'));
  try {
    await git(work, 'init', '--quiet', '--initial-branch=main');
    for (const version of source.versions) {
      const files = await packageFiles(cacheDir, source.registry, source.package, version, source.keep);
      for (const entry of await readdir(work)) if (entry !== '.git') await rm(join(work, entry), { recursive: true });
      await cp(files, work, { recursive: true });
      await git(work, 'add', '--all', '--force', '--', '.');
      await git(work, 'commit', '--quiet', '-m', `${source.name} ${version}`);
    }
    await placeFolder(work, target);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
