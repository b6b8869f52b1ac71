import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { silentLogger } from '../../core/logger.ts';
import { modelAggregate, type ModelCommand } from '../../core/model/model.ts';
import { Ledger } from '../../core/store/ledger.ts';
import { createMemoryStore } from '../../core/store/memory-store.ts';
import { rollbackModel } from '../../gateway/projects/rollback.ts';

const jobs = ['job_a', 'job_b', 'job_c', 'job_d'];

/** A real fold with four versions deployed one after the other, and a backend that has those that are named. */
async function scene(t: Test, there: readonly string[] = jobs) {
  const ledger = new Ledger({ store: createMemoryStore(), aggregates: [modelAggregate] as never, logger: silentLogger });
  await ledger.start();
  t.teardown(() => ledger.stop());
  const execute = (command: ModelCommand) => ledger.execute(modelAggregate, 'shop', command, { commandId: randomUUID(), actor: 'test', time: 1 });
  const deploy = async (jobId: string): Promise<void> => {
    await execute({ type: 'request-deploy', jobId, taskId: `${jobId}.deploy` });
    await execute({ type: 'create-version', jobId, ggufDigest: jobId, backend: 'embedded', backendDigest: '' });
    await execute({ type: 'promote', jobId, taskId: `${jobId}.deploy` });
  };
  for (const jobId of jobs) await deploy(jobId);
  const models = there.map((jobId) => ({ name: `shop:${jobId}`, modifiedAt: new Date(0) }));
  let asked = 0;
  const backend = {
    kind: 'embedded' as const,
    async models() {
      asked += 1;
      return models;
    },
  };
  const rollback = (key?: string, name = 'shop', caller = 'anonymous') => rollbackModel({ ledger, backend }, name, { signal: new AbortController().signal, idempotencyKey: key, caller });
  return { deploy, rollback, target: () => ledger.head(modelAggregate, 'shop').state.target, asked: () => asked };
}

t.test('of two rollbacks at a time the second moves nothing', async (t) => {
  const { rollback, target } = await scene(t, ['job_c', 'job_d']);
  const [first, second] = await Promise.allSettled([rollback(), rollback()]);
  t.strictSame(first, { status: 'fulfilled', value: { name: 'shop:latest', jobId: 'job_c', previousJobId: 'job_d' } });
  t.match(second, { status: 'rejected', reason: { code: 'wrong_state', field: 'name', message: /meanwhile/ } });
  t.equal(target(), 'job_c', 'and not what the backend lacks');
  await t.rejects(rollback(), { code: 'unavailable', message: /has no shop:job_b/ });
});

t.test('the same key again is the same rollback', async (t) => {
  const { rollback, deploy, target, asked } = await scene(t);
  const answer = { name: 'shop:latest', jobId: 'job_c', previousJobId: 'job_d' };
  t.strictSame(await Promise.all([rollback('key'), rollback('key')]), [answer, answer], 'at the same time');
  await deploy('job_d');
  const before = asked();
  t.strictSame(await rollback('key', 'shop:latest'), answer, 'by the model’s other name, after something else was deployed');
  t.strictSame([target(), asked()], ['job_d', before], 'nothing was moved, and nobody asked');
  t.match(await rollback('other'), { jobId: 'job_c' });
  t.match(await rollback('other', 'shop', 'somebody else'), { jobId: 'job_b' }, 'another caller’s key is another key');
  t.match(await rollback(), { jobId: 'job_a' }, 'without a key each is one of its own');
  await t.rejects(rollback(), { code: 'wrong_state' });
  await t.rejects(rollback('key', 'nobody'), { code: 'not_found' });
  await t.rejects(rollback('k'.repeat(256)), { code: 'invalid_argument' });
});
