import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { ForgeError } from '../../core/errors.ts';
import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import { ReportOutcome } from '../../core/gen/aiforge/v1/worker_pb.ts';
import { TaskFailure, type TaskContext } from '../../core/worker/task-runner.ts';
import { result, task, workerScene } from '../support/worker-scene.ts';

t.setTimeout(60_000);

t.test('a task is asked for, run, and reported in order', async (t) => {
  const { gateway, worker, dirs } = await workerScene(t);
  let context: TaskContext | undefined;
  await worker(async (given) => {
    context = given;
    t.same(await readdir(given.workDir), []);
    given.phase('loading');
    given.phase('training', 3);
    await given.checkpoint({ step: 1, epoch: 0.5, loss: 2, digest: 'b'.repeat(64), seconds: 0.1 });
    return result;
  });
  gateway.offer(task('job_1'));
  const completed = await gateway.report('job_1', 'completed');
  t.same(gateway.accepted.map((report) => [Number(report.number), report.body.case]), [[1, 'phase'], [2, 'phase'], [3, 'checkpoint'], [4, 'completed']]);
  t.equal((completed.body.value as { result: { kind: { value: { steps: bigint } } } }).result.kind.value.steps, 3n);
  t.equal(context!.slot.name, 'train');
  await gateway.next('asks');
  t.same(await readdir(join(dirs.spool, 'w1')), [], 'nothing stays in the spool');
  t.same(await readdir(join(dirs.work, 'w1')), [], 'nor in the work folder');
});

t.test('an ask whose answer got lost is repeated under the same id and gets the same attempt', async (t) => {
  const { gateway, server, worker } = await workerScene(t);
  gateway.swallow = (ask) => gateway.asks.length === 1 && ask.slot === 'train';
  gateway.offer(task('job_1'));
  const attempts: number[] = [];
  await worker(async ({ assignment }) => {
    attempts.push(assignment.attempt);
    return result;
  });
  await gateway.until('asks', () => true);
  await server.restart();
  await gateway.report('job_1', 'completed');
  t.equal(gateway.asks[0]!.askId, gateway.asks[1]!.askId);
  t.same(attempts, [1]);
});

t.test('reports stay in order and arrive once over an outage of NATS', async (t) => {
  const { gateway, server, worker } = await workerScene(t);
  const goOn = Promise.withResolvers<void>();
  await worker(async (context) => {
    context.phase('loading');
    await goOn.promise;
    for (const step of [1, 2, 3]) await context.checkpoint({ step, epoch: step, digest: 'b'.repeat(64), seconds: 0 });
    return result;
  });
  gateway.offer(task('job_1'));
  await gateway.report('job_1', 'phase');
  await server.kill();
  goOn.resolve();
  await server.start();
  await gateway.report('job_1', 'completed');
  t.same(gateway.accepted.map((report) => Number(report.number)), [1, 2, 3, 4, 5]);
});

t.test('a report is sent again until it is decided, and from the first one where a gateway lacks some', async (t) => {
  const { gateway, worker } = await workerScene(t);
  const outcomes = [ReportOutcome.UNAVAILABLE, ReportOutcome.UNAVAILABLE, undefined, ReportOutcome.GAP];
  gateway.decideFirst = () => outcomes.shift();
  await worker(async (context) => {
    context.phase('loading');
    return result;
  });
  gateway.offer(task('job_1'));
  await gateway.report('job_1', 'completed');
  t.same(gateway.received.map((report) => Number(report.number)), [1, 1, 1, 2, 1, 2]);
});

t.test('failures are told with their code; what a slot can not run is given back', async (t) => {
  const { gateway, worker } = await workerScene(t);
  await worker(async ({ assignment }) => {
    if (assignment.taskId === 'known') throw new TaskFailure('bad_dataset', 'no rows', false);
    if (assignment.taskId === 'full') throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
    if (assignment.taskId === 'large' || assignment.taskId === 'refused') throw new ForgeError(assignment.taskId === 'large' ? 'too_large' : 'permission_denied', 'not this one');
    throw new Error('something else');
  });
  gateway.offer(task('known'));
  t.match((await gateway.report('known', 'failed')).body.value, { code: 'bad_dataset', reason: 'no rows', retryable: false });
  gateway.offer(task('unknown'));
  t.match((await gateway.report('unknown', 'failed')).body.value, { code: 'internal', reason: 'something else', retryable: true });
  for (const [id, code] of [['full', 'disk_full'], ['large', 'too_large'], ['refused', 'permission_denied']] as const) {
    gateway.offer(task(id));
    t.match((await gateway.report(id, 'failed')).body.value, { code, retryable: id === 'full' });
  }
  gateway.ignoreKinds = true;
  gateway.offer({ ...task('foreign'), kind: TaskKind.DEPLOY });
  await gateway.report('foreign', 'returned');
  gateway.offer(task('../escape'));
  gateway.offer(task('after'));
  await gateway.report('after', 'failed');
  t.notOk(gateway.received.some((report) => report.taskId === '../escape'), 'an id that is a path is not touched');
});
