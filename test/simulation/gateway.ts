import { create } from '@bufbuild/protobuf';
import type { NatsConnection } from '@nats-io/transport-node';
import { allAggregates } from '../../core/aggregates.ts';
import { JobStatus } from '../../core/gen/aiforge/v1/job_pb.ts';
import { TaskSpecSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import { silentLogger } from '../../core/logger.ts';
import { sha256Hex } from '../../core/store/envelope.ts';
import { Ledger } from '../../core/store/ledger.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { control } from '../../gateway/jobs/control.ts';
import { createJob, repeatedJob } from '../../gateway/jobs/create-job.ts';
import { findJob } from '../../gateway/jobs/query.ts';
import { wireStatus } from '../../gateway/jobs/wire-status.ts';
import { createFollowUps } from '../../gateway/scheduler/followups.ts';
import { Roster } from '../../gateway/workers/roster.ts';
import { serveWorkers } from '../../gateway/workers/serve.ts';
import type { Process } from './kernel.ts';
import type { Messaging } from './messaging.ts';
import { blobs } from './blobs.ts';
import type { JobPlan } from './schedule.ts';
import type { Stream } from './stream.ts';

/** Short, so that little simulated time passes; in the order that the settings must have. */
export const settings = { beatMs: 1_000, fenceMs: 2_600, lossMs: 4_000 };

const startAgainMs = 500;

/** A gateway of the services' own code: ledger, worker protocol, follow-ups, and what a client's requests come down to. */
export interface SimulatedGateway {
  readonly process: Process;
  /** Of the life that runs now, when it is ready. */
  readonly ledger: Ledger | undefined;
  submit(key: string, plan: JobPlan): Promise<string>;
  control(jobId: string, verb: 'pause' | 'resume' | 'cancel'): Promise<void>;
  /** Has a failed job tried again, as a pipeline does. */
  retry(jobId: string, requestId: string): Promise<void>;
  status(jobId: string): Promise<string>;
}

export function createSimulatedGateway(process: Process, stream: Stream, messaging: Messaging): SimulatedGateway & { boot(): void } {
  const { kernel } = messaging.network;
  let ledger: Ledger | undefined;

  async function begin(connection: NatsConnection): Promise<void> {
    const starting = new Ledger({ store: stream.storeOf(process), aggregates: allAggregates, logger: silentLogger });
    await starting.start();
    const followUps = createFollowUps({ ledger: starting, logger: silentLogger });
    followUps.start();
    serveWorkers({ connection, ledger: starting, blobs, roster: new Roster(), sealLog: async () => undefined, config: settings, logger: silentLogger });
    ledger = starting;
  }
  const ready = (): Ledger => {
    if (ledger === undefined) throw new Error('not ready');
    return ledger;
  };

  return {
    process,
    get ledger() {
      return ledger;
    },
    boot() {
      ledger = undefined;
      const connection = messaging.connect(process);
      const again = (): void => void kernel.in(startAgainMs, process, () => this.boot());
      if (connection === undefined) again();
      else begin(connection).catch(again);
    },
    async submit(key, plan) {
      const sha256 = sha256Hex(key);
      const job = { sha256, bodySha256: sha256Hex(`body of ${key}`) };
      const known = await repeatedJob(ready(), job, Date.now());
      if (known !== undefined) return known;
      const source = plan.extract ? { case: 'extract' as const, value: { repository: '/r', commit: 'c' } } : { case: 'datasetDigest' as const, value: 'd'.repeat(64) };
      const spec = create(TaskSpecSchema, { kind: { case: 'train', value: { baseModel: 'ai-forge/starter', source } } });
      return createJob({ ledger: ready() }, { project: 'p', spec, actor: 'client', ...(plan.extract ? {} : { after: '' }) }, job);
    },
    async control(jobId, verb) {
      await control(ready(), jobId, verb);
    },
    async retry(jobId, requestId) {
      await ready().execute(taskAggregate, jobId, { type: 'retry', requestId }, { commandId: requestId, actor: 'client', time: Date.now() });
    },
    status: async (jobId) => nameOf(wireStatus(await findJob(ready(), jobId))),
  };
}

function nameOf(status: JobStatus): string {
  return Object.entries(JobStatus).find(([, value]) => value === status)![0].toLowerCase();
}
