import { randomUUID } from 'node:crypto';
import { isForgeError } from '../../core/errors.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import type { TaskCommand } from '../../core/task/commands.ts';
import type { Task } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { openFollowUps } from './follow-up.ts';
import { findJob } from './query.ts';
import { wireStatus } from './wire-status.ts';

const commands = {
  pause: { command: { type: 'pause' }, done: 'Fine-tuning job paused', asked: 'The trainer saves a checkpoint and ends; the job is paused then' },
  resume: { command: { type: 'resume' }, done: 'Fine-tuning job queued to go on', asked: '' },
  cancel: { command: { type: 'cancel', reason: 'cancelled on request' }, done: 'Fine-tuning job cancelled', asked: 'The trainer is told to end; the job is cancelled then' },
} as const satisfies Record<string, { command: TaskCommand; done: string; asked: string }>;

/**
 * Pauses, resumes or cancels a job, or what follows its training (export, evaluation, deployment) where that is completed.
 * For a task that runs it is a request, which stands beside the job's status until the trainer has ended.
 * @throws ForgeError not_found, wrong_state (names the state it is in)
 */
export async function control(ledger: Ledger, jobId: string, verb: keyof typeof commands) {
  await findJob(ledger, jobId);
  const { command, done, asked } = commands[verb];
  try {
    const task = await tell(ledger, jobId, command);
    return { jobId, status: wireStatus(task), message: task.status === 'running' ? asked : done };
  } catch (error) {
    if (!isForgeError(error, 'wrong_state')) throw error;
    // What follows it may be known to another gateway alone.
    await ledger.catchUp();
    const job = await findJob(ledger, jobId);
    const followUps = job.status === 'completed' ? await controlFollowUps(ledger, jobId, command) : [];
    if (followUps.length === 0) throw error;
    return { jobId, status: wireStatus(job), message: `${followUps.join(', ')}: ${verb} requested; the training was completed before` };
  }
}

/** @returns ids of the tasks that took it, with those they wait for first */
async function controlFollowUps(ledger: Ledger, jobId: string, command: TaskCommand): Promise<string[]> {
  const took: string[] = [];
  for (const { id } of openFollowUps(ledger, jobId)) {
    try {
      await tell(ledger, id, command);
      took.push(id);
    } catch (error) {
      // It has ended since, with the one it waits for; or it is in a state that does not take this.
      if (!isForgeError(error, 'wrong_state')) throw error;
    }
  }
  return took;
}

async function tell(ledger: Ledger, taskId: string, command: TaskCommand): Promise<Task> {
  const { state, version } = await ledger.execute(taskAggregate, taskId, command, { commandId: randomUUID(), actor: 'client', time: Date.now() });
  await ledger.waitFor(version);
  return state as Task;
}
