import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import t from 'tap';
import { ForgeError } from '../../core/errors.ts';
import { TaskKind, TaskSpecSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import { silentLogger } from '../../core/logger.ts';
import type { EventStore } from '../../core/store/event-store.ts';
import { Ledger } from '../../core/store/ledger.ts';
import { createMemoryStore } from '../../core/store/memory-store.ts';
import type { TaskCommand } from '../../core/task/commands.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { createFollowUps } from '../../gateway/scheduler/followups.ts';

const spec = create(TaskSpecSchema, { kind: { case: 'train', value: { source: { case: 'extract', value: { repository: '/r', commit: 'c' } } } } });
const queue = { type: 'queue', kind: TaskKind.TRAIN, project: 'p', spec, after: 'job_1.extract', maxAttempts: 5 } as const;

t.test('a follow-up that could not be appended while NATS was away is appended when it is back, and once', { timeout: 20_000 }, async (t) => {
  const inner = createMemoryStore();
  let refused = 0;
  const store: EventStore = {
    ...inner,
    async append(aggregate, id, bytes, version) {
      if (id === 'job_1.extract' && refused++ < 2) throw new ForgeError('unavailable', 'nats does not answer');
      return inner.append(aggregate, id, bytes, version);
    },
  };
  const ledger = new Ledger({ store, aggregates: [taskAggregate] as never, logger: silentLogger });
  const followUps = createFollowUps({ ledger, logger: silentLogger });
  t.teardown(async () => {
    await followUps.stop();
    await ledger.stop();
  });
  await ledger.start();
  followUps.start();
  await ledger.execute(taskAggregate, 'job_1', queue, { commandId: 'c', actor: 'test', time: 1 });
  // No further event comes that could bring it up again.
  await ledger.waitFor(2);
  t.equal(ledger.head(taskAggregate, 'job_1.extract').state.status, 'queued');
  t.equal(await store.lastSequence(), 2);
  t.equal(refused, 3);
});

t.test('a gateway that starts ends the extraction of a job that was cancelled before', async (t) => {
  const ledger = new Ledger({ store: createMemoryStore(), aggregates: [taskAggregate] as never, logger: silentLogger });
  const followUps = createFollowUps({ ledger, logger: silentLogger });
  t.teardown(async () => {
    await followUps.stop();
    await ledger.stop();
  });
  await ledger.start();
  const act = (id: string, command: TaskCommand) => ledger.execute(taskAggregate, id, command, { commandId: randomUUID(), actor: 'test', time: 1 });
  await act('job_1', queue);
  await act('job_1.extract', { ...queue, kind: TaskKind.EXTRACT, spec: create(TaskSpecSchema, { kind: { case: 'extract', value: { repository: '/r', commit: 'c' } } }), after: '' });
  await ledger.waitFor((await act('job_1', { type: 'cancel', reason: 'test' })).version);
  followUps.start();
  await ledger.waitFor(4);
  t.equal(ledger.head(taskAggregate, 'job_1.extract').state.status, 'cancelled');
});
