import { ForgeError } from '../../core/errors.ts';
import { readHead } from '../git/head.ts';
import type { Mirrors } from '../git/mirror.ts';
import { findPath } from '../project-path.ts';
import type { FoundProject } from './find.ts';

/** Where a project's repository can be read now. */
export interface OpenedSource {
  /** Path of the repository or of its mirror. */
  path: string;
  /** For a task: on another host the mirror lies elsewhere. */
  spec: { repository: string; url: string };
}

/**
 * Makes a project's repository readable: a remote one is fetched into its mirror, a local one is looked at again, since
 * it may have been moved since it was registered.
 * @throws ForgeError
 */
export async function openSource(project: Pick<FoundProject, 'repository' | 'url'>, mirrors: Mirrors, projectRoots: readonly string[], signal: AbortSignal): Promise<OpenedSource> {
  if (project.url !== '') return { path: await mirrors.ensure(project.url, signal), spec: { repository: '', url: project.url } };
  const found = await findPath(project.repository, projectRoots);
  if (found.path !== project.repository) throw new ForgeError('invalid_argument', `project_path: ${project.repository} is a link by now; register the project again`, { field: 'project_path' });
  const head = await readHead(found.path, 5_000);
  if (head.kind === 'not a repository') throw new ForgeError('invalid_argument', `project_path: ${project.repository} is no git repository any more`, { field: 'project_path' });
  return { path: found.path, spec: { repository: project.repository, url: '' } };
}
