import { randomUUID } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { ForgeError, assertNever, invalid, isForgeError } from '../../core/errors.ts';
import { StepRequestSchema, type ControlStep, type StepRequest } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import { TaskSpecSchema, type TaskSpec } from '../../core/gen/aiforge/v1/task_pb.ts';
import { modelAggregate } from '../../core/model/model.ts';
import { sha256Hex } from '../../core/store/envelope.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { withBaseShape } from '../jobs/base-shape.ts';
import { createJob } from '../jobs/create-job.ts';
import { deployIdOf, ensureTask, exportIdOf } from '../jobs/follow-up.ts';

const actor = 'guardian';

/**
 * Does what a pipeline's step asks for: makes the task that stands for it, under an id that follows from the request, so
 * that a request that is sent again finds what the first one made.
 * @returns the task's id
 * @throws ForgeError
 */
export async function carryOut(ledger: Ledger, request: StepRequest): Promise<string> {
  const { requestId, pipelineId, project, action } = request;
  const ensure = async (id: string, kind: TaskSpec['kind'], after = ''): Promise<string> => {
    await ensureTask(ledger, id, project, create(TaskSpecSchema, { kind }), { after, requestId, actor });
    return id;
  };
  switch (action.case) {
    case 'extract':
      return ensure(`${pipelineId}.extract`, action);
    case 'train':
      return train(ledger, request, action.value.after, create(TaskSpecSchema, { kind: { case: 'train', value: await withBaseShape(action.value.spec!) } }));
    case 'evaluate':
      return ensure(`${action.value.jobId}.gate`, action);
    case 'export':
      return ensure(exportIdOf(action.value.jobId), action);
    case 'deploy': {
      const { jobId } = action.value;
      const id = `${deployIdOf(jobId)}.pipeline`;
      // The request comes first: a task that ran without one would not move the alias. Sent again it asks for nothing new.
      if ((await ledger.refresh(taskAggregate, id)).state.status === 'none') {
        await ledger.execute(modelAggregate, project, { type: 'request-deploy', jobId, taskId: id }, meta());
      }
      return ensure(id, action, exportIdOf(jobId));
    }
    case 'control':
      return control(ledger, action.value);
    case 'validateData':
    case undefined:
      throw invalid('action', `the gateway does not do ${action.case ?? 'nothing'} for a pipeline`);
    default:
      return assertNever(action, 'action');
  }
}

/** One job for a pipeline: a second try goes on from its last checkpoint. */
async function train(ledger: Ledger, { requestId, pipelineId, step, project, action }: StepRequest, after: string, spec: TaskSpec): Promise<string> {
  const key = { sha256: sha256Hex(JSON.stringify([actor, `${pipelineId}:${step}:1`])), bodySha256: sha256Hex(toBinary(StepRequestSchema, create(StepRequestSchema, { pipelineId, step, project, action }))) };
  const jobId = await createJob({ ledger }, { project, spec, after, actor }, key);
  const { state } = await ledger.refresh(taskAggregate, jobId);
  if (state.status === 'failed' && !requestId.endsWith(':1')) await ledger.execute(taskAggregate, jobId, { type: 'retry', requestId }, meta());
  return jobId;
}

/**
 * Whoever asks looks at the task itself for what came of it; a task that can't do it any more has ended. One that has
 * moved on since is left alone: a request that comes late, after another gateway has done it, would stop what goes on.
 */
async function control(ledger: Ledger, { taskId, verb, taskVersion }: ControlStep): Promise<string> {
  if (verb !== 'pause' && verb !== 'resume' && verb !== 'cancel') throw new ForgeError('invalid_argument', `verb: must be pause, resume or cancel, not "${verb}"`, { field: 'verb' });
  const command = verb === 'cancel' ? ({ type: verb, reason: 'its pipeline was cancelled' } as const) : ({ type: verb } as const);
  await ledger.execute(taskAggregate, taskId, command, meta(), { atVersion: Number(taskVersion) }).catch((error: unknown) => {
    if (!isForgeError(error, 'wrong_state') && !isForgeError(error, 'version_conflict')) throw error;
  });
  return taskId;
}

function meta() {
  return { commandId: randomUUID(), actor, time: Date.now() };
}
