import { randomUUID } from 'node:crypto';
import { create, fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import t, { type Test } from 'tap';
import { StepRequestSchema, StepResponseSchema } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import { ReportRequestSchema } from '../../core/gen/aiforge/v1/worker_pb.ts';
import { reservationAggregate } from '../../core/idempotency/reservation.ts';
import { silentLogger } from '../../core/logger.ts';
import { modelAggregate } from '../../core/model/model.ts';
import { connectNats } from '../../core/nats.ts';
import type { PipelineCommand } from '../../core/pipeline/commands.ts';
import { pipelineAggregate } from '../../core/pipeline/pipeline.ts';
import { isOver, type Pipeline, type PipelineState, type StepName } from '../../core/pipeline/state.ts';
import { projectAggregate } from '../../core/project/project.ts';
import { decodeEnvelope } from '../../core/store/envelope.ts';
import type { EventStore } from '../../core/store/event-store.ts';
import { Ledger } from '../../core/store/ledger.ts';
import { createMemoryStore } from '../../core/store/memory-store.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { TaskFailure } from '../../core/worker/task-runner.ts';
import { createDriver, type DriverDeps } from '../../guardian/pipeline/driver.ts';
import { serveSteps } from '../../gateway/pipeline/serve-steps.ts';
import { accept, complete, pipelineId, planOf, presentStep, request, stepResultOf, taskIds, taskResultOf } from '../core/pipeline-support.ts';
import { startNats } from '../support/nats.ts';

t.setTimeout(30_000);

const meta = () => ({ commandId: randomUUID(), actor: 'test', time: 1_000 });
const notHere = async (): Promise<never> => {
  throw new Error('this is not to happen');
};

/** A pipeline in a stream, and what drives it; the gateway is served by the test. */
async function scene(t: Test, of: (store: EventStore) => EventStore = (store) => store) {
  const inner = createMemoryStore();
  const { url } = await startNats(t);
  const [gateway, guardian] = [await connectNats(url, 'gateway'), await connectNats(url, 'guardian', '_INBOX.guardian')];
  const open = async (store: EventStore): Promise<Ledger> => {
    const ledger = new Ledger({ store, aggregates: [taskAggregate, modelAggregate, reservationAggregate, projectAggregate, pipelineAggregate] as never, logger: silentLogger });
    await ledger.start();
    t.teardown(() => ledger.stop());
    return ledger;
  };
  const ledger = await open(inner);
  const execute = (command: PipelineCommand) => ledger.execute(pipelineAggregate, pipelineId, command, meta());
  const state = (): PipelineState => ledger.head(pipelineAggregate, pipelineId).state;
  const ended = Promise.withResolvers<void>();
  t.teardown(async () => {
    await guardian.close();
    await gateway.close();
  });
  await ledger.execute(projectAggregate, 'p', { type: 'start-pipeline', pipelineId, plan: planOf(), decision: {} as never }, meta());
  return {
    ledger, gateway, execute, state,
    /** Completes all steps before this one. */
    async until(name: StepName): Promise<void> {
      await execute({ type: 'plan', plan: planOf() });
      while (presentStep(state())?.name !== name) for (const move of [request, accept, complete]) await execute(move(state()));
    },
    async drive(deps: Partial<DriverDeps>): Promise<void> {
      const driver = createDriver({ ledger: await open(of(inner)), nats: guardian, validate: notHere, gate: notHere, onEnded: () => ended.resolve(), logger: silentLogger, firstRetryMs: 1, ...deps });
      t.teardown(() => driver.stop());
      driver.start();
    },
    /** Resolves when the pipeline is as it is asked to be. */
    async comesTo(holds: (pipeline: Pipeline) => boolean): Promise<Pipeline> {
      const reached = Promise.withResolvers<void>();
      const look = (): void => void (state().status !== 'none' && holds(state() as Pipeline) && reached.resolve());
      const stop = ledger.onApplied(look);
      look();
      await reached.promise.finally(stop);
      return state() as Pipeline;
    },
    ended: ended.promise,
    async answer(response: MessageInitShape<typeof StepResponseSchema>): Promise<string[]> {
      const asked: string[] = [];
      gateway.subscribe('pipeline.step', {
        callback: (_error, message) => {
          asked.push(fromBinary(StepRequestSchema, message.data).requestId);
          message.respond(toBinary(StepResponseSchema, create(StepResponseSchema, response)));
        },
      });
      await gateway.flush();
      return asked;
    },
  };
}

t.test('a second try is not failed by what is known of the first', async (t) => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  let retried = false;
  const { drive, comesTo, ledger, gateway } = await scene(t, (inner) => ({
    ...inner,
    /** The guardian hears late of the retry: when it asks how far the stream is, or is wrong already. */
    async *subscribe(...all) {
      for await (const stored of inner.subscribe(...all)) {
        if ('envelope' in stored && stored.envelope.events.some(({ kind }) => kind.case === 'taskRetried')) await released;
        yield stored;
      }
    },
    async lastSequence() {
      if (retried) release();
      return inner.lastSequence();
    },
    async append(aggregate, id, bytes, version) {
      if (decodeEnvelope(bytes).events.some(({ kind }) => kind.case === 'pipelineFailed')) release();
      return inner.append(aggregate, id, bytes, version);
    },
  }));
  const happened: string[] = [];
  ledger.onApplied(({ stored }) => {
    for (const { kind } of stored.envelope.events) if (kind.case === 'taskRetried') retried = true;
    if (stored.aggregate === 'pipeline') happened.push(...stored.envelope.events.map(({ kind }) => kind.case!));
  });
  const steps = serveSteps({ connection: gateway, ledger, logger: silentLogger });
  t.teardown(() => steps.stop());
  await gateway.flush();
  const task = taskIds.extract_data;
  const work = async (body: MessageInitShape<typeof ReportRequestSchema>['body']): Promise<void> => {
    const { state } = await ledger.execute(taskAggregate, task, { type: 'start', workerId: 'w', bootId: 'b', slot: 's', askId: randomUUID() }, meta());
    if (state.status !== 'running') throw new Error(`it is ${state.status}`);
    await ledger.execute(taskAggregate, task, { type: 'report', workerId: 'w', report: create(ReportRequestSchema, { bootId: 'b', taskId: task, attempt: state.attempt.number, number: 1n, body: body! }) }, meta());
  };
  await drive({ validate: async () => stepResultOf('validate_data') });
  const runs = (attempt: number) => (pipeline: Pipeline): boolean => isOver(pipeline) || (pipeline.steps[0]!.status === 'running' && pipeline.steps[0]!.try === attempt);
  await comesTo(runs(1));
  await work({ case: 'failed', value: { code: 'unavailable', reason: 'gone', retryable: false } });
  await comesTo(runs(2));
  await work({ case: 'completed', value: { result: taskResultOf('extract_data') } });
  t.equal((await comesTo((pipeline) => isOver(pipeline) || presentStep(pipeline)?.name === 'train')).status, 'running');
  t.strictSame(happened.slice(0, 6), ['pipelinePlanned', 'stepRequested', 'stepAccepted', 'stepFailed', 'stepRequested', 'stepAccepted']);
  t.equal(happened[6], 'stepCompleted');
});

t.test('a gateway that fails at a request fails the step in the end', async (t) => {
  const { drive, comesTo, answer, ended } = await scene(t);
  const asked = await answer({ errorCode: 'internal', errorMessage: 'the gateway failed; its log says why' });
  await drive({});
  t.match(await comesTo(isOver), { status: 'failed', code: 'internal', reason: 'extract_data: the gateway failed; its log says why' });
  await ended;
  t.strictSame(asked, [1, 2].flatMap((attempt) => Array.from({ length: 5 }, () => `${pipelineId}:extract_data:${attempt}`)));
});

t.test('a dataset that can not be looked at fails its step', async (t) => {
  const { drive, comesTo, until } = await scene(t);
  await until('validate_data');
  let looks = 0;
  await drive({
    validate: async () => {
      looks += 1;
      throw Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' });
    },
  });
  t.match(await comesTo(isOver), { status: 'failed', code: 'internal', reason: 'validate_data: EIO: i/o error, read' });
  t.equal(looks, 2);
});

t.test('what was cancelled before a validation, also by a guardian that has died in it, ends without one', async (t) => {
  const { drive, comesTo, until, execute, state, ended } = await scene(t);
  await until('validate_data');
  await execute(request(state()));
  await execute({ type: 'cancel', reason: 'asked' });
  await drive({});
  t.match(await comesTo(isOver), { status: 'cancelled' });
  await ended;
});

t.test('a gate that can not decide fails its pipeline with the reason', async (t) => {
  for (const [error, code, tries] of [[new TaskFailure('input_missing', 'the report is gone', false), 'input_missing', 1], [new Error('EACCES'), 'internal', 5]] as const) {
    const { drive, comesTo, until, execute, state, ended } = await scene(t);
    await until('evaluate');
    for (const move of [request, accept, complete]) await execute(move(state()));
    let looks = 0;
    await drive({
      gate: async () => {
        looks += 1;
        throw error;
      },
    });
    t.match(await comesTo(isOver), { status: 'failed', code, reason: `evaluate: the gate can't decide: ${error.message}` });
    t.equal(looks, tries);
    await ended;
  }
});

t.test('a claim whose pipeline is another project’s is given up, and its project has one of its own', async (t) => {
  const { drive, execute, ledger, answer } = await scene(t);
  await execute({ type: 'plan', plan: { ...planOf(), project: 'q' } });
  await answer({ errorCode: 'unavailable' });
  const moved = Promise.withResolvers<string>();
  ledger.onApplied(({ stored }) => stored.aggregate === 'pipeline' && stored.id !== pipelineId && moved.resolve(stored.id));
  await drive({});
  const own = await moved.promise;
  t.match(own, new RegExp(`^${pipelineId}_[0-9a-f]{10}$`));
  t.match(ledger.head(pipelineAggregate, own).state, { plan: { project: 'p' } });
  t.equal(ledger.head(projectAggregate, 'p').state.active?.pipelineId, own);
});
