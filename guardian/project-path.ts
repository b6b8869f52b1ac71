import { realpath, stat } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { ForgeError, invalid } from '../core/errors.ts';

const maxPathLength = 4096;

/** A folder that repositories may lie in: as it was set, and where it really is. */
export interface Root {
  set: string;
  real: string;
}

/** The roots that are there. One that is missing holds nothing, and may appear later. */
export async function readRoots(projectRoots: readonly string[]): Promise<Root[]> {
  const roots: Root[] = [];
  for (const set of projectRoots) {
    const real = await realpath(set).catch(() => undefined);
    if (real !== undefined) roots.push({ set: resolve(set), real });
  }
  return roots;
}

/**
 * Finds what a `project_path` names. Relative paths start at the first project root.
 * Symbolic links are followed, and what they lead to must lie inside a root as well.
 * @returns its absolute real path, and whether it is a folder or a regular file
 * @throws ForgeError invalid_argument (malformed, outside all roots), not_found
 */
export async function findPath(path: string, projectRoots: readonly string[]): Promise<{ path: string; kind: 'folder' | 'file' }> {
  const problem = malformed(path);
  if (problem !== undefined) throw invalid('project_path', problem);
  const roots = await readRoots(projectRoots);
  const asked = isAbsolute(path) ? resolve(path) : resolve(projectRoots[0] ?? '.', path);
  // Looked at before the disk is, so that an answer tells nothing about what lies outside.
  if (!roots.some((root) => isInside(asked, root.set) || isInside(asked, root.real))) throw outside(path, projectRoots);
  const real = await realpath(asked).catch((cause: NodeJS.ErrnoException) => {
    throw unreadable(asked, cause);
  });
  if (!isInRoots(real, roots)) throw outside(path, projectRoots);
  const found = await stat(real).catch((cause: NodeJS.ErrnoException) => {
    throw unreadable(asked, cause);
  });
  if (!found.isDirectory() && !found.isFile()) throw invalid('project_path', `${asked} is neither a folder nor a regular file`);
  return { path: real, kind: found.isDirectory() ? 'folder' : 'file' };
}

/** Whether a real path lies inside a root, or is one. */
export function isInRoots(real: string, roots: readonly Root[]): boolean {
  return roots.some((root) => isInside(real, root.real));
}

function isInside(path: string, root: string): boolean {
  const way = relative(root, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}

function malformed(path: string): string | undefined {
  if (path.length > maxPathLength) return `at most ${maxPathLength} characters`;
  if (/[\0-\x1f\x7f]/.test(path)) return 'must not contain control characters';
  if (path.startsWith('-')) return 'must not begin with a dash; write ./ before it';
  if (path.split(/[\\/]/).includes('..')) return 'must not contain ".."; give the folder itself';
  return undefined;
}

function outside(path: string, projectRoots: readonly string[]): ForgeError {
  return invalid('project_path', `${JSON.stringify(path)} lies outside the project roots (${projectRoots.join(', ')}); move it there, or add its folder to FORGE_PROJECT_ROOTS`);
}

function unreadable(path: string, cause: NodeJS.ErrnoException): ForgeError {
  const missing = cause.code === 'ENOENT' || cause.code === 'ENOTDIR';
  const message = missing ? `${path} does not exist` : `${path} can not be read (${cause.code ?? cause.message})`;
  return new ForgeError(missing ? 'not_found' : 'invalid_argument', `project_path: ${message}`, { field: 'project_path', cause });
}
