import { basename } from 'node:path';
import { ForgeError, invalid } from '../../core/errors.ts';
import type { ProjectRegistered } from '../../core/gen/aiforge/v1/events_pb.ts';
import { projectAggregate } from '../../core/project/project.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { checkProjectName } from '../../core/training/names.ts';
import { filePrefix, resolveSource, type ResolveSettings } from '../resolve.ts';
import { otherRepositoryOf, projectTrainedOn } from './trained.ts';

/** A project as a request means it: its name, and where its repository is (a local path or a URL). */
export interface FoundProject {
  name: string;
  repository: string;
  url: string;
  ref: string;
  registration: ProjectRegistered | undefined;
}

/**
 * Finds a project by its name (registered, or a folder of that name under the project roots) or by a path, whose name is
 * that of the project registered for it, else of the one that was trained on it, else the folder's.
 * Without either it is the first project root.
 * @throws ForgeError invalid_argument, not_found (says where it looked), unavailable
 */
export async function findProject(request: { projectName?: string | undefined; projectPath?: string | undefined }, ledger: Ledger, settings: ResolveSettings): Promise<FoundProject> {
  const { projectName, projectPath } = request;
  if (projectName !== undefined && projectPath !== undefined) throw invalid('project_path', 'give either project_name or project_path, not both');
  if (projectName !== undefined) {
    const name = checkProjectName(projectName);
    const registered = registeredAs(ledger, name);
    if (registered !== undefined) return registered;
    return { name, ...(await localRepository({ projectName: name, projectPath: '' }, settings)), registration: undefined };
  }
  if (projectPath === '') throw invalid('project_path', 'must not be empty: leave it out for the first project root');
  const source = await localRepository({ projectName: '', projectPath: projectPath ?? '.' }, settings);
  const name = projectOf(ledger, source.repository);
  return registeredAs(ledger, name) ?? { name, ...source, registration: undefined };
}

/**
 * Name of the project that a local repository belongs to: the one that is registered for it, else the one that was
 * trained on it, else the folder's name.
 * @throws ForgeError invalid_argument where that is another repository's
 */
export function projectOf(ledger: Ledger, repository: string): string {
  for (const [name, { registration }] of ledger.all(projectAggregate)) if (registration?.repository === repository) return name;
  const name = projectTrainedOn(ledger, repository) ?? nameOfFolder(repository);
  const other = ledger.head(projectAggregate, name).state.registration;
  if (other !== undefined) throw invalid('project_path', `a project called "${name}" is registered for ${other.repository || other.url}; register ${repository} under another name (POST /v1/projects)`);
  const foreign = otherRepositoryOf(ledger, name, repository);
  if (foreign !== undefined) throw invalid('project_path', `models called "${name}" were trained on ${foreign}; register ${repository} under a name of its own, or under this one if it has moved (POST /v1/projects)`);
  return name;
}

export function registeredAs(ledger: Ledger, name: string): FoundProject | undefined {
  const { registration } = ledger.head(projectAggregate, name).state;
  return registration === undefined ? undefined : { name, repository: registration.repository, url: registration.url, ref: registration.ref, registration };
}

async function localRepository(request: { projectName: string; projectPath: string }, settings: ResolveSettings): Promise<{ repository: string; url: string; ref: string }> {
  const { repository, commit } = await resolveSource(request, settings);
  if (commit.startsWith(filePrefix)) throw invalid('project_path', `${repository} is a training file; give the folder of a git repository`);
  return { repository, url: '', ref: '' };
}

function nameOfFolder(repository: string): string {
  const name = basename(repository).replace(/\.git$/, '').replace(/[^A-Za-z0-9._-]+/g, '-').replace(/\.{2,}/g, '.').replace(/^[^A-Za-z0-9]+/, '').slice(0, 64);
  if (name === '') throw new ForgeError('invalid_argument', `project_path: the folder ${repository} makes no project name; register it under one (POST /v1/projects)`, { field: 'project_path' });
  return name;
}
