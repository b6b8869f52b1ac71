import { randomUUID } from 'node:crypto';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { ForgeError, invalid, isForgeError } from '../../core/errors.ts';
import { ProjectRegisteredSchema } from '../../core/gen/aiforge/v1/events_pb.ts';
import type { CreateProjectRequest, CreateProjectResponseSchema } from '../../core/gen/aiforge/v1/project_pb.ts';
import { projectAggregate } from '../../core/project/project.ts';
import { viewProject } from '../../core/project/view.ts';
import { checkProjectName } from '../../core/training/names.ts';
import { nestedTrainSpec } from '../../core/training/train-spec.ts';
import { resolveRef } from '../git/ref.ts';
import { checkPolicy } from '../policy/policy.ts';
import { resolveSource, resolveTimeoutMs } from '../resolve.ts';
import type { LookDeps } from '../retrain/look.ts';
import type { Answer } from '../retrain/retrain.ts';
import { openSource } from './source.ts';

const refTimeoutMs = 10_000;

/**
 * `POST /v1/projects`: gives a repository a name under which it is watched. A remote one is mirrored before the answer,
 * so that a URL or a ref that is wrong is said at once.
 * @throws ForgeError
 */
export async function registerProject(request: CreateProjectRequest, deps: LookDeps, signal: AbortSignal): Promise<Answer<MessageInitShape<typeof CreateProjectResponseSchema>>> {
  const { ledger, projectRoots, mirrors } = deps;
  const name = checkProjectName(request.name, 'name');
  const { path, url } = request;
  if (path === undefined && url === undefined) throw invalid('path', 'give path (a folder under the project roots) or url (https or ssh)');
  if (path !== undefined && url !== undefined) throw invalid('path', 'give either path or url, not both');
  if (path === '') throw invalid('path', 'must not be empty');
  if (url === '') throw invalid('url', 'must not be empty');
  if (request.policy !== undefined) checkPolicy(request.policy, 'policy');
  const training = request.training === undefined ? undefined : nestedTrainSpec(request.training, 'training');
  const repository = path === undefined ? '' : await localPath(path, projectRoots);
  const source = await openSource({ repository, url: url ?? '' }, mirrors, projectRoots, signal);
  await resolveRef(source.path, request.ref || 'HEAD', refTimeoutMs);
  const registration = create(ProjectRegisteredSchema, {
    repository,
    url: url ?? '',
    ref: request.ref ?? '',
    policy: request.policy,
    watch: request.watch ?? true,
    autoDeploy: request.autoDeploy,
    requireApproval: request.requireApproval,
    training,
  });
  await ledger.catchUp(signal);
  const { version } = await ledger.execute(projectAggregate, name, { type: 'register', registration }, { commandId: randomUUID(), actor: 'guardian', time: Date.now() });
  return { response: { project: viewProject(ledger, name) }, sequence: version };
}

/** The guardian knows one path; an error names the field that the client gave it in. */
async function localPath(path: string, projectRoots: readonly string[]): Promise<string> {
  try {
    const { repository, commit } = await resolveSource({ projectName: '', projectPath: path }, { projectRoots, timeoutMs: resolveTimeoutMs });
    if (commit.startsWith('file:')) throw invalid('path', `${repository} is a file; give the folder of a git repository`);
    return repository;
  } catch (error) {
    if (!isForgeError(error) || error.field !== 'project_path') throw error;
    throw new ForgeError(error.code, error.message.replaceAll('project_path', 'path'), { field: 'path', cause: error });
  }
}
