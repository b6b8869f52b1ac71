import { randomUUID } from 'node:crypto';
import { PipelineStatus } from '../../core/gen/aiforge/v1/retrain_pb.ts';
import type { PipelineCommand } from '../../core/pipeline/commands.ts';
import { findPipeline } from '../../core/pipeline/find.ts';
import { pipelineAggregate } from '../../core/pipeline/pipeline.ts';
import { wirePipelineStatus } from '../../core/pipeline/wire-status.ts';
import type { Pipeline } from '../../core/pipeline/state.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import type { Answer } from './retrain.ts';

const commands = {
  pause: { command: { type: 'pause' }, done: 'Pipeline paused', asked: 'The step that runs is told to save and stop; the pipeline is paused then' },
  resume: { command: { type: 'resume' }, done: 'Pipeline goes on', asked: 'Pipeline goes on' },
  cancel: { command: { type: 'cancel', reason: 'cancelled on request' }, done: 'Pipeline cancelled', asked: 'The step that runs is told to end; the pipeline is cancelled then' },
  approve: { command: { type: 'approve' }, done: 'Pipeline approved', asked: 'Pipeline approved' },
} as const satisfies Record<string, { command: PipelineCommand; done: string; asked: string }>;

export type ControlVerb = keyof typeof commands;

/** Pauses, resumes, cancels or approves a pipeline. @throws ForgeError not_found, wrong_state (names the state it is in) */
export async function controlPipeline(ledger: Ledger, jobId: string, verb: ControlVerb): Promise<Answer<{ jobId: string; status: PipelineStatus; message: string }>> {
  await findPipeline(ledger, jobId);
  const { command, done, asked } = commands[verb];
  const { state, version } = await ledger.execute(pipelineAggregate, jobId, command, { commandId: randomUUID(), actor: 'guardian', time: Date.now() });
  const pipeline = state as Pipeline;
  return { response: { jobId, status: wirePipelineStatus(pipeline), message: pipeline.requested === 'none' ? done : asked }, sequence: version };
}
