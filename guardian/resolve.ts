import { basename, join } from 'node:path';
import { ForgeError, invalid } from '../core/errors.ts';
import { headProblem, readHead } from './git/head.ts';
import { findPath, isInRoots, readRoots, type Root } from './project-path.ts';
import { hashTrainingFile } from './training-file/hash.ts';

/** The gateway is told meanwhile that the guardian is at work. */
export const resolveTimeoutMs = 10_000;

/** What comes before the hash in the commit of a training file. */
export const filePrefix = 'file:';

/** A repository (absolute real path) and its commit; or a training file and `file:<SHA-256 of its bytes>`. */
export interface Source {
  repository: string;
  commit: string;
}

export interface ResolveSettings {
  projectRoots: readonly string[];
  timeoutMs: number;
}

/**
 * Finds the source that a fine-tune request means, and pins it: `project_path` when given, else a repository called
 * `project_name` under the project roots, or a project root of that name.
 * @throws ForgeError invalid_argument, not_found (says where it looked), unavailable; each names its field
 */
export async function resolveSource(request: { projectName: string; projectPath: string }, settings: ResolveSettings): Promise<Source> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ForgeError('unavailable', `the project could not be read within ${settings.timeoutMs} ms; try again`)), settings.timeoutMs);
  });
  const work = request.projectPath !== '' ? byPath(request.projectPath, settings) : byName(request.projectName, settings);
  // A disk that hangs can't be interrupted; the caller gets its answer all the same.
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

async function byPath(projectPath: string, settings: ResolveSettings): Promise<Source> {
  const found = await findPath(projectPath, settings.projectRoots);
  if (found.kind === 'folder') return pin(found.path, 'project_path', await readRoots(settings.projectRoots), settings.timeoutMs);
  if (!found.path.endsWith('.jsonl')) throw invalid('project_path', `${found.path} is a file; give the folder of a git repository, or a file that ends in .jsonl`);
  return { repository: found.path, commit: `${filePrefix}${await hashTrainingFile(found.path)}` };
}

async function byName(projectName: string, settings: ResolveSettings): Promise<Source> {
  if (projectName === '') throw invalid('project_name', 'must not be empty when there is no project_path');
  if (/[\0-\x1f\x7f/\\]/.test(projectName) || projectName.startsWith('-') || projectName === '.' || projectName === '..' || projectName.length > 255) {
    throw invalid('project_name', 'must be the plain name of a folder: no slash, no "..", no dash at its beginning; a path goes into project_path');
  }
  const looked: string[] = [];
  const roots = await readRoots(settings.projectRoots);
  for (const root of roots) {
    // A folder inside comes first: a root `forge` may well hold a repository `forge`.
    const candidates = [join(root.real, projectName), ...(basename(root.real) === projectName || basename(root.set) === projectName ? [root.real] : [])];
    for (const candidate of candidates) {
      const path = await findPath(candidate, settings.projectRoots).catch((error: unknown) => reason(error));
      if (typeof path === 'string') looked.push(path);
      else if (path.kind === 'file') looked.push(`${candidate} is a file`);
      else {
        const head = await readHead(path.path, settings.timeoutMs);
        if (head.kind !== 'not a repository') return pinned(head, path.path, 'project_name', roots);
        looked.push(`${candidate} is not a git repository`);
      }
    }
  }
  if (roots.length === 0) looked.push(`no project root is there (FORGE_PROJECT_ROOTS=${settings.projectRoots.join(':')})`);
  throw new ForgeError('not_found', `project_name: no git repository "${projectName}" under the project roots: ${looked.join('; ')}. Give its folder in project_path, or add the folder that holds it to FORGE_PROJECT_ROOTS`, { field: 'project_name' });
}

async function pin(folder: string, field: string, roots: readonly Root[], timeoutMs: number): Promise<Source> {
  return pinned(await readHead(folder, timeoutMs), folder, field, roots);
}

function pinned(head: Awaited<ReturnType<typeof readHead>>, folder: string, field: string, roots: readonly Root[]): Source {
  if (head.kind !== 'repository') throw invalid(field, headProblem(head, folder));
  // A root itself was named by whoever runs the service, wherever its git directory lies (as of a linked working tree).
  if (!roots.some((root) => root.real === folder) && !head.gitDirs.every((dir) => isInRoots(dir, roots))) {
    throw invalid(field, `the git directory of ${folder} lies outside the project roots; add its folder to FORGE_PROJECT_ROOTS`);
  }
  return { repository: folder, commit: head.commit };
}

function reason(error: unknown): string {
  if (error instanceof ForgeError) return error.message.replace(/^project_path: /, '').replace(/;.*$/, '');
  throw error;
}
