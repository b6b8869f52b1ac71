import { randomUUID } from 'node:crypto';
import { ForgeError } from '../../core/errors.ts';
import { modelAggregate } from '../../core/model/model.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import type { InferenceBackend } from '../inference/backend.ts';
import { keyHash } from '../jobs/submit.ts';
import type { CallContext } from '../method.ts';

/**
 * Puts the version that was served before back, in one step: requests that run are answered by the model they began
 * with, the next ones by the earlier one. A deploy that is under way does not undo it. The same Idempotency-Key again is
 * answered as it was, and moves nothing.
 * @param name `<project>` or `<project>:latest`
 * @throws ForgeError not_found, wrong_state (nothing to go back to, or it was moved meanwhile), unavailable (the backend,
 * or it lacks the version)
 */
export async function rollbackModel({ ledger, backend }: { ledger: Ledger; backend: Pick<InferenceBackend, 'kind' | 'models'> }, name: string, context: Pick<CallContext, 'signal' | 'idempotencyKey' | 'caller'>) {
  const { signal } = context;
  const requestId = keyHash(context) ?? randomUUID();
  const project = name.endsWith(':latest') ? name.slice(0, -':latest'.length) : name;
  const { state } = project.length <= 64 ? await ledger.refresh(modelAggregate, project) : { state: modelAggregate.initialState };
  if (state.target === undefined) throw new ForgeError('not_found', `name: there is no deployed model "${name.slice(0, 100)}"; give <project> or <project>:latest`, { field: 'name' });
  const previous = state.history.at(-2);
  const repeated = state.rollbacks.some((made) => made.requestId === requestId);
  if (previous !== undefined && !repeated) {
    const there = (await backend.models(signal)).some((model) => model.name === `${project}:${previous}`);
    if (!there) throw new ForgeError('unavailable', `name: ${backend.kind} has no ${project}:${previous} any more; deploy it again with POST /deploy/${previous}`, { field: 'name' });
  }
  // The version that was looked for is the one that is put back, or none.
  const command = { type: 'rollback', requestId, from: state.target, to: previous ?? '' } as const;
  const executed = await ledger.execute(modelAggregate, project, command, { commandId: requestId, actor: 'client', time: Date.now() });
  await ledger.waitFor(executed.version, signal);
  const { from, to } = executed.state.rollbacks.find((made) => made.requestId === requestId)!;
  return { name: `${project}:latest`, jobId: to, previousJobId: from };
}
