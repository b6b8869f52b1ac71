import { EventEmitter, once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { ReportOutcome, RequestedStop, type BeatRequest, type ReportRequest } from '../../core/gen/aiforge/v1/worker_pb.ts';
import { aborted, result, task, workerScene } from '../support/worker-scene.ts';

t.setTimeout(60_000);

t.test('a refused report, or "not yours", ends the attempt without another word', async (t) => {
  const { gateway, worker, dirs } = await workerScene(t);
  const reasons: unknown[] = [];
  await worker(async (context) => {
    context.phase('loading');
    reasons.push(await aborted(context.signal));
    return 'stopped';
  });
  gateway.decideFirst = (report) => (report.taskId === 'refused' ? ReportOutcome.REFUSED : undefined);
  gateway.offer(task('refused'));
  await gateway.until('asks', () => reasons.length === 1);
  gateway.offer(task('lost'));
  await gateway.report('lost', 'phase');
  gateway.lose('lost', 1);
  await gateway.until('asks', () => reasons.length === 2);
  t.same(reasons, ['lost', 'lost']);
  t.same(gateway.received.map((report) => report.body.case), ['phase', 'phase']);
  t.same(await readdir(join(dirs.spool, 'w1')), []);
});

t.test('a request to pause comes with the next beat, and a cancel after it still gets through', async (t) => {
  const { gateway, worker } = await workerScene(t);
  const [begun, paused] = [Promise.withResolvers<void>(), Promise.withResolvers<unknown>()];
  await worker(async (context) => {
    begun.resolve();
    paused.resolve(await aborted(context.signal));
    t.equal(await aborted(context.urgent), 'cancel');
    return 'stopped';
  }, { beatMs: 60_000 / 2 });
  gateway.offer(task('job_1'));
  // The beat that the offer woke may have gone out before, and the next one is half a minute away.
  await begun.promise;
  gateway.request('job_1', RequestedStop.PAUSE);
  t.equal(await paused.promise, 'pause', 'at once, however long the beat');
  gateway.request('job_1', RequestedStop.CANCEL);
  await gateway.report('job_1', 'stopped');
});

t.test('an attempt nobody confirms is fenced, not killed, and goes on when it is confirmed', async (t) => {
  const { gateway, server, worker } = await workerScene(t);
  const heard = new EventEmitter();
  const finish = Promise.withResolvers<void>();
  let stopped = false;
  await worker(async (context) => {
    context.signal.addEventListener('abort', () => (stopped = true));
    await finish.promise;
    return result;
  }, { beatMs: 20, fenceMs: 300, onFenced: () => heard.emit('fenced'), onConfirmed: () => heard.emit('confirmed') });
  gateway.offer(task('job_1'));
  await gateway.until('beats', (beat: BeatRequest) => beat.running.length === 1);
  const away = [
    ['all gateways', async () => (gateway.answering = false), async () => (gateway.answering = true)],
    ['NATS', server.kill, server.start],
  ] as const;
  for (const [what, goAway, comeBack] of away) {
    const fenced = once(heard, 'fenced');
    await goAway();
    await fenced;
    const confirmed = once(heard, 'confirmed');
    await comeBack();
    await confirmed;
    t.pass(`${what} away and back`);
  }
  t.notOk(stopped);
  finish.resolve();
  await gateway.report('job_1', 'completed');
});

t.test('drain: running attempts save and are given back, and nothing more is asked for', async (t) => {
  const { gateway, worker } = await workerScene(t);
  const drained = await worker(async (context) => {
    t.equal(await aborted(context.signal), 'drain');
    await context.checkpoint({ step: 7, epoch: 1, digest: 'b'.repeat(64), seconds: 0 });
    return 'stopped';
  });
  gateway.offer(task('job_1'));
  await gateway.until('beats', (beat: BeatRequest) => beat.running.length === 1);
  await drained.drain();
  t.same(gateway.accepted.map((report) => report.body.case), ['checkpoint', 'returned']);
  const asks = gateway.asks.length;
  const beat = gateway.next<BeatRequest>('beats');
  gateway.offer(task('job_2'));
  t.equal((await beat).draining, true);
  t.equal(gateway.asks.length, asks);
});

t.test('what a stopped worker could not deliver, its next start delivers', async (t) => {
  const { gateway, worker, server } = await workerScene(t);
  const away = Promise.withResolvers<void>();
  const first = await worker(async () => {
    await away.promise;
    return result;
  });
  gateway.offer(task('job_1'));
  await gateway.until('beats', (beat: BeatRequest) => beat.running.length === 1);
  gateway.answering = false;
  away.resolve();
  const unanswered = await gateway.until<ReportRequest>('received', () => true);
  await first.stop();
  gateway.answering = true;
  t.equal(gateway.accepted.length, 0);
  await server.restart();
  await worker(async () => result);
  const completed = await gateway.report('job_1', 'completed');
  t.equal(completed.bootId, unanswered.bootId, 'under the boot id that held the attempt');
});
