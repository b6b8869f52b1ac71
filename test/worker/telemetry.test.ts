import t from 'tap';
import type { Telemetry } from '../../core/gen/aiforge/v1/worker_pb.ts';
import { result, task, workerScene } from '../support/worker-scene.ts';

t.setTimeout(60_000);

t.test('telemetry: few messages, numbered, and what NATS missed is counted', async (t) => {
  const { gateway, worker, server, disconnected } = await workerScene(t);
  const phases = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const reached = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await worker(async (context) => {
    for (let step = 1; step <= 100; step++) {
      context.metric({ step: BigInt(step), loss: 1 });
      await new Promise((resolve) => setImmediate(resolve));
    }
    reached[0]!.resolve();
    await phases[0]!.promise;
    for (let step = 101; step <= 3_000; step++) context.metric({ step: BigInt(step) });
    reached[1]!.resolve();
    await phases[1]!.promise;
    return result;
  });
  gateway.offer(task('job_1'));
  await reached[0]!.promise;
  await gateway.until('telemetry', (message: Telemetry) => message.metrics.some((metric) => metric.step === 100n));
  t.ok(gateway.telemetry.length <= 3, `${gateway.telemetry.length} messages for 100 metrics`);
  const noticed = disconnected();
  await server.kill();
  await noticed;
  phases[0]!.resolve();
  await reached[1]!.promise;
  await server.start();
  const said = await gateway.until<Telemetry>('telemetry', (message: Telemetry) => message.log.includes('dropped'));
  t.match(said.log, '(900 metrics were dropped');
  phases[1]!.resolve();
  await gateway.report('job_1', 'completed');
  t.same(gateway.telemetry.map((message) => Number(message.number)), gateway.telemetry.map((_, index) => index + 1));
  const steps = gateway.telemetry.flatMap((message) => message.metrics.map((metric) => Number(metric.step)));
  t.same(steps, Array.from({ length: 2_100 }, (_, index) => index + 1));
});
