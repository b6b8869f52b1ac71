import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import t, { type Test } from 'tap';
import { JobStatus } from '../../core/gen/aiforge/v1/job_pb.ts';
import { TaskKind, TaskSpecSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import { ReportRequestSchema } from '../../core/gen/aiforge/v1/worker_pb.ts';
import { silentLogger } from '../../core/logger.ts';
import { projectAggregate } from '../../core/project/project.ts';
import type { EventStore } from '../../core/store/event-store.ts';
import { Ledger } from '../../core/store/ledger.ts';
import { createMemoryStore } from '../../core/store/memory-store.ts';
import type { TaskCommand } from '../../core/task/commands.ts';
import type { Task } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { createAutoDeploy } from '../../gateway/fine-tuning/auto-deploy.ts';
import type { ServedModels } from '../../gateway/fine-tuning/served-models.ts';
import { control } from '../../gateway/jobs/control.ts';
import { deploySpec, ensureTask, exportSpec } from '../../gateway/jobs/follow-up.ts';
import { createFollowUps } from '../../gateway/scheduler/followups.ts';

const served = { canDeploy: () => true } as ServedModels;

/** What two gateways do from events alone, on one stream, of which the second one hears nothing between `stall` and `goOn`. */
async function twoGateways(t: Test) {
  const store = createMemoryStore();
  let heard = Promise.resolve();
  let goOn = (): void => {};
  const lagging: EventStore = {
    ...store,
    async *subscribe(after, signal) {
      for await (const stored of store.subscribe(after, signal)) {
        await heard;
        yield stored;
      }
    },
  };
  const [one, two] = [store, lagging].map((each) => new Ledger({ store: each, aggregates: [taskAggregate, projectAggregate] as never, logger: silentLogger })) as [Ledger, Ledger];
  for (const ledger of [one, two]) {
    await ledger.start();
    const parts = [createAutoDeploy({ ledger, served, logger: silentLogger }), createFollowUps({ ledger, logger: silentLogger })];
    for (const part of parts) part.start();
    t.teardown(async () => {
      for (const part of parts) await part.stop();
      await ledger.stop();
    });
  }
  const act = async (id: string, command: TaskCommand): Promise<void> => one.waitFor((await one.execute(taskAggregate, id, command, { commandId: randomUUID(), actor: 'test', time: Date.now() })).version);
  /** Resolves when a task is as it should be at the first. */
  const until = (id: string, status: Task['status']): Promise<void> => new Promise((resolve) => {
    const look = (): void => {
      if (one.head(taskAggregate, id).state.status !== status) return;
      stop();
      resolve();
    };
    const stop = one.onApplied(look);
    look();
  });
  const states = (): string[] => [...one.all(taskAggregate)].map(([id, { status }]) => `${id} ${status}`);
  return {
    one, two, act, until, states,
    stall: (): void => void (heard = new Promise((resolve) => (goOn = resolve))),
    /** Resolves when the second one has heard all, and has done what it does. */
    async goOn() {
      goOn();
      // What it appends, if anything, is there after the task below, which it is asked to make last.
      await two.catchUp();
      await ensureTask(two, 'last.export', 'p', exportSpec('last', ''));
      await one.catchUp();
    },
  };
}

const trained: MessageInitShape<typeof ReportRequestSchema> = { bootId: 'b', taskId: 'job_1', attempt: 1, number: 1n, body: { case: 'completed', value: { result: { kind: { case: 'train', value: { adapterDigest: 'a'.repeat(64), lineage: {} } } } } } };
const forOpenAi = create(TaskSpecSchema, { kind: { case: 'train', value: { baseModel: 'm', ggufQuantization: 'Q4_K_M', source: { case: 'datasetDigest', value: 'd'.repeat(64) }, fineTuning: {} } } });

t.test('what was cancelled through one gateway is not begun again by one that lags behind, which can cancel it all the same', async (t) => {
  for (const [name, pick] of [['by the one', 0], ['by the one that lags', 1]] as const) {
    const { one, two, act, until, states, stall, goOn } = await twoGateways(t);
    await act('job_1', { type: 'queue', kind: TaskKind.TRAIN, project: 'p', spec: forOpenAi, after: '', maxAttempts: 5 });
    await act('job_1', { type: 'start', workerId: 'w', bootId: 'b', slot: 's', askId: 'x' });
    stall();
    await act('job_1', { type: 'report', workerId: 'w', report: create(ReportRequestSchema, trained) });
    await until('job_1.deploy', 'queued');
    const [cancelled] = await Promise.allSettled([control([one, two][pick]!, 'job_1', 'cancel'), pick === 1 && setImmediate().then(goOn)]);
    t.match(cancelled, { value: { status: JobStatus.COMPLETED, message: /^job_1\.export(, job_1\.deploy)?: cancel requested/ } }, name);
    await until('job_1.deploy', 'cancelled');
    await goOn();
    t.strictSame(states(), ['job_1 completed', 'job_1.export cancelled', 'job_1.deploy cancelled', 'last.export queued'], name);
  }
});

t.test('a task that was asked for again is not ended by a gateway that has only heard of its first end', async (t) => {
  for (const ended of ['cancelled', 'failed'] as const) {
    const { one, act, until, states, stall, goOn } = await twoGateways(t);
    const ask = async (requestId: string): Promise<void> => {
      await ensureTask(one, 'j.export', 'p', exportSpec('j', ''), { requestId });
      await ensureTask(one, 'j.deploy.pipeline', 'p', deploySpec('j', 'p:latest'), { after: 'j.export', requestId });
    };
    await ask('1');
    stall();
    await act('j.export', { type: 'abandon', outcome: ended, code: 'c', reason: 'r' });
    await until('j.deploy.pipeline', ended);
    await ask('2');
    await goOn();
    t.strictSame(states(), ['j.export queued', 'j.deploy.pipeline queued', 'last.export queued'], ended);
  }
});
