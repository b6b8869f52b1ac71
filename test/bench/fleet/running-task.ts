import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { CreateFineTuneRequestSchema } from '../../../core/gen/aiforge/v1/job_pb.ts';
import { TaskKind, TaskSpecSchema, type TaskSpec } from '../../../core/gen/aiforge/v1/task_pb.ts';
import { ReportRequestSchema } from '../../../core/gen/aiforge/v1/worker_pb.ts';
import type { Ledger } from '../../../core/store/ledger.ts';
import { taskAggregate } from '../../../core/task/task.ts';
import { trainSpecOf } from '../../../core/training/train-spec.ts';

export const bootId = randomUUID();

/** Of a training that any host can do, or only one of a pool. */
export function trainingSpec(pool?: string): TaskSpec {
  const train = trainSpecOf(create(CreateFineTuneRequestSchema, { projectName: 'service', baseModel: 'ai-forge/starter', ...(pool === undefined ? {} : { pool }) }));
  return create(TaskSpecSchema, { kind: { case: 'train', value: { ...train, source: { case: 'datasetDigest', value: '0'.repeat(64) } } } });
}

export async function queueTask(ledger: Ledger, id: string, spec: TaskSpec): Promise<void> {
  await ledger.execute(taskAggregate, id, { type: 'queue', kind: TaskKind.TRAIN, project: 'service', spec, after: '', maxAttempts: 5 }, meta());
}

/** Queues a training and starts its first attempt, in training, on that worker. */
export async function startTask(ledger: Ledger, id: string, workerId: string): Promise<void> {
  await queueTask(ledger, id, trainingSpec());
  await ledger.execute(taskAggregate, id, { type: 'start', workerId, bootId, slot: 'cpu', askId: randomUUID() }, meta());
  const report = create(ReportRequestSchema, { bootId, taskId: id, attempt: 1, number: 1n, body: { case: 'phase', value: { phase: 'training' } } });
  await ledger.execute(taskAggregate, id, { type: 'report', workerId, report }, meta());
}

/** Does something for each number below `count`, 64 at a time. */
export async function forEach(count: number, work: (n: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: 64 }, async () => {
    for (let n = next++; n < count; n = next++) await work(n);
  }));
}

const meta = () => ({ commandId: randomUUID(), actor: 'bench', time: Date.now() });
