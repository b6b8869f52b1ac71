import { randomUUID } from 'node:crypto';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import t, { type Test } from 'tap';
import { StepRequestSchema, type StepRequest } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import { ReportRequestSchema } from '../../core/gen/aiforge/v1/worker_pb.ts';
import { reservationAggregate } from '../../core/idempotency/reservation.ts';
import { silentLogger } from '../../core/logger.ts';
import { modelAggregate } from '../../core/model/model.ts';
import type { EventStore } from '../../core/store/event-store.ts';
import { Ledger } from '../../core/store/ledger.ts';
import { createMemoryStore } from '../../core/store/memory-store.ts';
import type { TaskCommand } from '../../core/task/commands.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { ensureTask, exportSpec } from '../../gateway/jobs/follow-up.ts';
import { carryOut } from '../../gateway/pipeline/carry-out.ts';

const pipelineId = 'agent_20240117_120000';
type Action = NonNullable<MessageInitShape<typeof StepRequestSchema>['action']>;
const extract = { repository: '/repository', commit: 'c0ffee' };
const actions = {
  extract_data: { case: 'extract', value: extract },
  train: { case: 'train', value: { after: `${pipelineId}.extract`, spec: { baseModel: 'org/base', source: { case: 'extract', value: extract } } } },
  evaluate: { case: 'evaluate', value: { jobId: 'job_1', referenceJobId: 'job_0', general: true } },
  export: { case: 'export', value: { jobId: 'job_1', ggufQuantization: 'Q4_K_M' } },
  deploy: { case: 'deploy', value: { jobId: 'job_1', alias: 'p:latest' } },
} satisfies Record<string, Action>;
type Step = keyof typeof actions;
const steps = Object.keys(actions) as Step[];

const request = (step: Step, attempt = 1): StepRequest => create(StepRequestSchema, { requestId: `${pipelineId}:${step}:${attempt}`, pipelineId, step, project: 'p', action: actions[step] });
const control = (taskId: string, verb: string, taskVersion = 0): StepRequest => create(StepRequestSchema, { requestId: `${pipelineId}:train:1:${verb}`, pipelineId, step: 'train', project: 'p', action: { case: 'control', value: { taskId, verb, taskVersion: BigInt(taskVersion) } } });
const meta = () => ({ commandId: randomUUID(), actor: 'test', time: 1_000 });

async function open(t: Test, store: EventStore = createMemoryStore()) {
  const ledger = new Ledger({ store, aggregates: [taskAggregate, modelAggregate, reservationAggregate] as never, logger: silentLogger });
  const events: string[] = [];
  ledger.onApplied(({ stored }) => events.push(...stored.envelope.events.map(({ kind }) => `${stored.id} ${kind.case}`)));
  await ledger.start();
  t.teardown(() => ledger.stop());
  const run = (id: string, command: TaskCommand) => ledger.execute(taskAggregate, id, command, meta());
  return {
    ledger,
    run,
    /** All that happened to tasks and models. */
    async events(): Promise<string[]> {
      await ledger.catchUp();
      return events.filter((each) => !/key|reservation/.test(each));
    },
    status: async (id: string): Promise<string> => (await ledger.refresh(taskAggregate, id)).state.status,
    /** A worker takes the task and gives it up. */
    async fail(id: string): Promise<void> {
      const { state } = await run(id, { type: 'start', workerId: 'w', bootId: 'b', slot: 's', askId: randomUUID() });
      if (state.status !== 'running') throw new Error(`${id} is ${state.status}`);
      await run(id, { type: 'report', workerId: 'w', report: create(ReportRequestSchema, { bootId: 'b', taskId: id, attempt: state.attempt.number, number: 1n, body: { case: 'failed', value: { code: 'unavailable', reason: 'gone', retryable: false } } }) });
    },
  };
}

t.test('a step that is sent twice has one task', async (t) => {
  for (const step of steps) {
    const { ledger, events } = await open(t);
    const id = await carryOut(ledger, request(step));
    t.match(id, { extract_data: /^agent_20240117_120000\.extract$/, train: /^job_\d{8}_\d{6}$/, evaluate: /^job_1\.gate$/, export: /^job_1\.export$/, deploy: /^job_1\.deploy\.pipeline$/ }[step], step);
    const before = await events();
    t.equal(await carryOut(ledger, request(step)), id, 'the same id');
    t.equal(await carryOut(ledger, request(step, 2)), id, 'also for the next try');
    t.strictSame(await events(), before, 'and nothing else happened');
    t.strictSame(before.filter((each) => each.endsWith('taskQueued')), [`${id} taskQueued`]);
    const { state } = await ledger.refresh(taskAggregate, id);
    const kind = { extract_data: TaskKind.EXTRACT, train: TaskKind.TRAIN, evaluate: TaskKind.EVALUATE, export: TaskKind.EXPORT, deploy: TaskKind.DEPLOY }[step];
    t.match(state, { status: 'queued', kind, project: 'p', after: { train: `${pipelineId}.extract`, deploy: 'job_1.export' }[step as string] ?? '', spec: { kind: { case: actions[step].case } } });
  }
});

t.test('sent at once to two gateways it has one task as well', async (t) => {
  for (const step of steps) {
    const store = createMemoryStore();
    const [a, b] = [await open(t, store), await open(t, store)];
    const ids = await Promise.all([a, b, a, b].map(({ ledger }) => carryOut(ledger, request(step))));
    t.equal(new Set(ids).size, 1, step);
    t.equal((await a.events()).filter((each) => each.endsWith('taskQueued')).length, 1);
  }
});

t.test('a second try has a failed task tried again once, however often it is sent', async (t) => {
  for (const step of steps) {
    const { ledger, events, status, fail } = await open(t);
    const id = await carryOut(ledger, request(step));
    await fail(id);
    t.equal(await status(id), 'failed', step);
    t.equal(await carryOut(ledger, request(step, 2)), id);
    t.equal(await status(id), 'queued');
    await carryOut(ledger, request(step, 2));
    await fail(id);
    await carryOut(ledger, request(step, 2));
    t.equal(await status(id), 'failed', 'its failure stands');
    t.strictSame((await events()).filter((each) => each.endsWith('taskRetried')), [`${id} taskRetried`]);
  }
});

t.test('a task that failed is tried again by a second try alone', async (t) => {
  for (const step of steps) {
    const { ledger, status, fail } = await open(t);
    const id = await carryOut(ledger, request(step));
    await fail(id);
    t.equal(await carryOut(ledger, request(step)), id);
    t.equal(await status(id), 'failed', `${step}: the first request, sent again, only learns which task it is`);
  }
});

t.test('an export that a client had made and that failed is tried again by the first try, once', async (t) => {
  const { ledger, status, fail } = await open(t);
  const id = 'job_1.export';
  await ensureTask(ledger, id, 'p', exportSpec('job_1', 'Q4_K_M'));
  await fail(id);
  t.equal(await carryOut(ledger, request('export')), id);
  t.equal(await status(id), 'queued');
  await fail(id);
  await carryOut(ledger, request('export'));
  t.equal(await status(id), 'failed', 'its failure stands');
  await carryOut(ledger, request('export', 2));
  t.equal(await status(id), 'queued');
});

t.test('each pipeline has a job of its own', async (t) => {
  const { ledger } = await open(t);
  const first = await carryOut(ledger, request('train'));
  const second = await carryOut(ledger, create(StepRequestSchema, { ...request('train'), pipelineId: 'agent_2', requestId: 'agent_2:train:1' }));
  t.not(first, second);
});

t.test('a deploy is requested before its task is made, and once', async (t) => {
  const { ledger, events } = await open(t);
  await carryOut(ledger, request('deploy'));
  t.strictSame(await events(), ['p deployRequested', 'job_1.deploy.pipeline taskQueued']);
  await ledger.execute(modelAggregate, 'p', { type: 'request-deploy', jobId: 'job_2', taskId: 'job_2.deploy' }, meta());
  await carryOut(ledger, request('deploy'));
  t.equal((await ledger.refresh(modelAggregate, 'p')).state.requested?.taskId, 'job_2.deploy', 'sent again it does not push aside what was asked for since');
});

t.test('a gateway that ended between the request of a deploy and its task goes on from there', async (t) => {
  const inner = createMemoryStore();
  let broken = true;
  const store: EventStore = {
    ...inner,
    async append(aggregate, ...rest) {
      if (broken && aggregate === 'task') throw new Error('killed');
      return inner.append(aggregate, ...rest);
    },
  };
  const { ledger, events } = await open(t, store);
  await t.rejects(carryOut(ledger, request('deploy')), /killed/);
  broken = false;
  await carryOut(ledger, request('deploy'));
  t.strictSame(await events(), ['p deployRequested', 'job_1.deploy.pipeline taskQueued']);
});

t.test('a task is told to pause, to go on and to end', async (t) => {
  const { ledger, status, run } = await open(t);
  const id = await carryOut(ledger, request('train'));
  const tell = async (verb: string): Promise<string> => {
    t.equal(await carryOut(ledger, control(id, verb, (await ledger.refresh(taskAggregate, id)).version)), id);
    return status(id);
  };
  t.equal(await tell('pause'), 'paused');
  t.equal(await tell('pause'), 'paused', 'again it changes nothing');
  t.equal(await tell('resume'), 'queued');
  t.equal(await tell('resume'), 'queued');
  await run(id, { type: 'start', workerId: 'w', bootId: 'b', slot: 's', askId: 'a' });
  t.equal(await tell('pause'), 'running');
  t.match((await ledger.refresh(taskAggregate, id)).state, { requested: 'pause' });
  t.equal(await tell('cancel'), 'running');
  t.match((await ledger.refresh(taskAggregate, id)).state, { requested: 'cancel' });
  await run(id, { type: 'lose', attempt: 1, reason: 'silent' });
  for (const verb of ['cancel', 'pause', 'resume']) t.equal(await tell(verb), 'cancelled', `${verb} after the end is no error: whoever asks looks at the task`);
});

t.test('a control that comes late leaves a task alone that has moved on', async (t) => {
  const store = createMemoryStore();
  // Another gateway, whose fold has not come as far.
  const behind = new Ledger({ store, aggregates: [taskAggregate] as never, logger: silentLogger });
  const { ledger, run, status, events } = await open(t, store);
  const id = await carryOut(ledger, request('train'));
  const late = control(id, 'pause', (await ledger.refresh(taskAggregate, id)).version);
  await carryOut(ledger, late);
  t.equal(await status(id), 'paused');
  await run(id, { type: 'resume' });
  for (const gateway of [ledger, behind]) t.equal(await carryOut(gateway, late), id, 'it is answered as done');
  t.equal(await status(id), 'queued', 'what the user made of it since stands');
  t.strictSame((await events()).slice(-3), [`${id} pauseRequested`, `${id} taskPaused`, `${id} taskResumed`]);
});

t.test('a control does not slip in behind what happens at the same time', async (t) => {
  const inner = createMemoryStore();
  let meanwhile: (() => Promise<unknown>) | undefined;
  const store: EventStore = {
    ...inner,
    async append(...all) {
      const first = meanwhile;
      meanwhile = undefined;
      await first?.();
      return inner.append(...all);
    },
  };
  const { ledger, run, status } = await open(t, store);
  const other = await open(t, inner);
  const id = await carryOut(ledger, request('export'));
  const { version } = await ledger.refresh(taskAggregate, id);
  meanwhile = async () => {
    await other.run(id, { type: 'pause' });
    await other.run(id, { type: 'resume' });
  };
  t.equal(await carryOut(ledger, control(id, 'pause', version)), id);
  t.equal(await status(id), 'queued');
  await run(id, { type: 'pause' });
  t.equal(await status(id), 'paused', 'a new one is another matter');
});

t.test('what can not be done is said', async (t) => {
  const { ledger, events } = await open(t);
  const id = await carryOut(ledger, request('export'));
  await t.rejects(carryOut(ledger, control(id, 'destroy', 1)), { code: 'invalid_argument', field: 'verb', message: /pause, resume or cancel/ });
  await t.rejects(carryOut(ledger, control('job_9', 'pause')), { code: 'not_found' });
  await t.rejects(carryOut(ledger, create(StepRequestSchema, { ...request('export'), action: { case: undefined } })), { code: 'invalid_argument', field: 'action' });
  await t.rejects(carryOut(ledger, create(StepRequestSchema, { pipelineId, step: 'validate_data', project: 'p', action: { case: 'validateData', value: {} } })), { code: 'invalid_argument', field: 'action' });
  t.strictSame(await events(), [`${id} taskQueued`]);
});
