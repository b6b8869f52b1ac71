import { randomUUID } from 'node:crypto';
import { ForgeError } from '../../core/errors.ts';
import { modelAggregate } from '../../core/model/model.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import type { InferenceBackend } from '../inference/backend.ts';

/**
 * Puts the version that was served before back, in one step: requests that run are answered by the model they began
 * with, the next ones by the earlier one. A deploy that is under way does not undo it.
 * @param name `<project>` or `<project>:latest`
 * @throws ForgeError not_found, wrong_state (nothing to go back to), unavailable (the backend, or it lacks the version)
 */
export async function rollbackModel({ ledger, backend }: { ledger: Ledger; backend: InferenceBackend }, name: string, signal: AbortSignal) {
  const project = name.endsWith(':latest') ? name.slice(0, -':latest'.length) : name;
  const { state } = project.length <= 64 ? await ledger.refresh(modelAggregate, project) : { state: modelAggregate.initialState };
  if (state.target === undefined) throw new ForgeError('not_found', `name: there is no deployed model "${name.slice(0, 100)}"; give <project> or <project>:latest`, { field: 'name' });
  const previous = state.history.at(-2);
  if (previous !== undefined) {
    const there = (await backend.models(signal)).some((model) => model.name === `${project}:${previous}`);
    if (!there) throw new ForgeError('unavailable', `name: ${backend.kind} has no ${project}:${previous} any more; deploy it again with POST /deploy/${previous}`, { field: 'name' });
  }
  const command = { type: 'rollback', requestId: randomUUID() } as const;
  const executed = await ledger.execute(modelAggregate, project, command, { commandId: command.requestId, actor: 'client', time: Date.now() });
  await ledger.waitFor(executed.version, signal);
  return { name: `${project}:latest`, jobId: executed.state.target!, previousJobId: state.target };
}
