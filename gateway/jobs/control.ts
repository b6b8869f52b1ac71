import { randomUUID } from 'node:crypto';
import type { Ledger } from '../../core/store/ledger.ts';
import type { TaskCommand } from '../../core/task/commands.ts';
import type { Task } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { findJob } from './query.ts';
import { wireStatus } from './wire-status.ts';

const commands = {
  pause: { command: { type: 'pause' }, done: 'Fine-tuning job paused', asked: 'The trainer saves a checkpoint and ends; the job is paused then' },
  resume: { command: { type: 'resume' }, done: 'Fine-tuning job queued to go on', asked: '' },
  cancel: { command: { type: 'cancel', reason: 'cancelled on request' }, done: 'Fine-tuning job cancelled', asked: 'The trainer is told to end; the job is cancelled then' },
} as const satisfies Record<string, { command: TaskCommand; done: string; asked: string }>;

/**
 * Pauses, resumes or cancels a job. For one that runs it is a request, which stands beside its status until the trainer
 * has ended.
 * @throws ForgeError not_found, wrong_state (names the state it is in)
 */
export async function control(ledger: Ledger, jobId: string, verb: keyof typeof commands) {
  await findJob(ledger, jobId);
  const { command, done, asked } = commands[verb];
  const { state, version } = await ledger.execute(taskAggregate, jobId, command, { commandId: randomUUID(), actor: 'client', time: Date.now() });
  await ledger.waitFor(version);
  const task = state as Task;
  return { jobId, status: wireStatus(task), message: task.status === 'running' ? asked : done };
}
