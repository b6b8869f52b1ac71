import type { DescEnum } from '@bufbuild/protobuf';
import { PipelineStatusSchema } from '../../core/gen/aiforge/v1/retrain_pb.ts';
import { JobStatusSchema } from '../../core/gen/aiforge/v1/job_pb.ts';
import { TaskKind, TaskKindSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import { pipelineAggregate } from '../../core/pipeline/pipeline.ts';
import { wirePipelineStatus } from '../../core/pipeline/wire-status.ts';
import type { EventStore } from '../../core/store/event-store.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { wireStatus } from '../jobs/wire-status.ts';
import { enumNames } from '../rest/enum-names.ts';
import type { Roster } from '../workers/roster.ts';
import { metricText } from './exposition.ts';

/** A broker that takes longer is away. */
const brokerMs = 800;

/** What the fold of events says now: jobs, pipelines, what waits, and how far the fold is behind the stream. */
export async function stateText(deps: { ledger: Ledger; store: Pick<EventStore, 'lastSequence'>; roster: Roster }): Promise<string> {
  const { ledger, roster } = deps;
  const jobs = new EnumCounts(JobStatusSchema);
  const queued = new EnumCounts(TaskKindSchema);
  const running = new EnumCounts(TaskKindSchema);
  for (const [, task] of ledger.all(taskAggregate)) {
    if (task.status === 'none') continue;
    if (task.kind === TaskKind.TRAIN) jobs.add(wireStatus(task));
    if (task.status === 'queued') queued.add(task.kind);
    if (task.status === 'running') running.add(task.kind);
  }
  const pipelines = new EnumCounts(PipelineStatusSchema);
  for (const [, pipeline] of ledger.all(pipelineAggregate)) if (pipeline.status !== 'none') pipelines.add(wirePipelineStatus(pipeline));

  const last = await lastSequence(deps.store);
  const { present, late } = roster.count();
  return [
    metricText('gauge', 'ai_forge_jobs', 'Fine-tuning jobs by status.', jobs.samples('status')),
    metricText('gauge', 'ai_forge_pipelines', 'Retraining pipelines by status.', pipelines.samples('status')),
    metricText('gauge', 'ai_forge_tasks_queued', 'Tasks that wait for a worker, by kind: the depth of the queue.', queued.samples('kind')),
    metricText('gauge', 'ai_forge_tasks_running', 'Tasks that a worker has, by kind.', running.samples('kind')),
    metricText('gauge', 'ai_forge_workers', 'Workers (agents, guardian, deployer) by whether they were heard within a minute.', [[{ state: 'present' }, present], [{ state: 'late' }, late]]),
    metricText('gauge', 'ai_forge_broker_up', 'Whether NATS answered when the stream’s end was asked for.', [[{}, last === undefined ? 0 : 1]]),
    // Without the broker the lag is not known, and no number is made up.
    metricText('gauge', 'ai_forge_event_lag', 'Events in the stream that were not applied yet.', last === undefined ? [] : [[{}, Math.max(0, last - ledger.applied)]]),
    metricText('counter', 'ai_forge_events_applied_total', 'Sequence of the last event that was applied.', [[{}, ledger.applied]]),
    metricText('counter', 'ai_forge_events_rejected_total', 'Envelopes that should not be in the stream, since the start; not applied.', [[{}, ledger.rejected]]),
  ].join('');
}

async function lastSequence(store: Pick<EventStore, 'lastSequence'>): Promise<number | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, brokerMs, undefined);
  return Promise.race([store.lastSequence().catch(() => undefined), promise]).finally(() => clearTimeout(timer));
}

/** How many there are of each value of an enum, those of which there are none too. */
class EnumCounts {
  readonly #names: ReadonlyMap<string, number>;
  readonly #counts = new Map<number, number>();

  constructor(desc: DescEnum) {
    this.#names = enumNames(desc).byName;
  }

  add(value: number): void {
    this.#counts.set(value, (this.#counts.get(value) ?? 0) + 1);
  }

  samples(label: string): [Record<string, string>, number][] {
    return [...this.#names].map(([name, value]) => [{ [label]: name }, this.#counts.get(value) ?? 0]);
  }
}
