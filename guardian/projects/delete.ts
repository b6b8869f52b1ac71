import { randomUUID } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { ForgeError } from '../../core/errors.ts';
import type { DeleteProjectResponseSchema } from '../../core/gen/aiforge/v1/project_pb.ts';
import { projectAggregate } from '../../core/project/project.ts';
import { unknownProject } from '../../core/project/unknown.ts';
import { isTerminal } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import type { LookDeps } from '../retrain/look.ts';
import type { Answer } from '../retrain/retrain.ts';
import { removeMirrors } from './remove-mirrors.ts';

/**
 * `DELETE /v1/projects/{name}`: forgets the project. Its blobs are removed afterwards, by the sweeper.
 * @throws ForgeError not_found, wrong_state while something of it is under way
 */
export async function deleteProject({ ledger, mirrors }: Pick<LookDeps, 'ledger' | 'mirrors'>, name: string, signal: AbortSignal): Promise<Answer<MessageInitShape<typeof DeleteProjectResponseSchema>>> {
  await ledger.catchUp(signal);
  if (ledger.head(projectAggregate, name).state.registration === undefined) throw unknownProject(name);
  for (const [id, task] of ledger.all(taskAggregate)) {
    if (task.status !== 'none' && task.project === name && !isTerminal(task)) throw new ForgeError('wrong_state', `name: ${id} of this project is ${task.status}; cancel it first, or wait for its end`, { field: 'name' });
  }
  const { version } = await ledger.execute(projectAggregate, name, { type: 'delete' }, { commandId: randomUUID(), actor: 'guardian', time: Date.now() });
  // The sweeper would as well, and does where this process ends here; who is answered may look at once.
  await removeMirrors(name, { ledger, mirrors });
  return { response: { name, deleted: true, message: 'The project and its datasets, checkpoints, adapters and exports are removed; models that were deployed go on being served by the inference backend' }, sequence: version };
}
