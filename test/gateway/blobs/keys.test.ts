// Blobs at a gateway that asks for keys, and at another one beside it.
import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import t from 'tap';
import { createBlobGateway } from '../../../core/blobs/http/http-blob-store.ts';
import { TaskKind, TaskSpecSchema } from '../../../core/gen/aiforge/v1/task_pb.ts';
import { silentLogger } from '../../../core/logger.ts';
import { connectNats } from '../../../core/nats.ts';
import { sha256Hex } from '../../../core/store/envelope.ts';
import { createJetStreamStore } from '../../../core/store/jetstream-store.ts';
import { Ledger } from '../../../core/store/ledger.ts';
import { taskAggregate } from '../../../core/task/task.ts';
import { attemptToken, hashSecret, newSecret } from '../../../core/worker/attempt-token.ts';
import { keyedScene } from '../../support/keyed-scene.ts';
import { makeFolder } from '../../support/repository.ts';

t.setTimeout(60_000);

t.test('a key of scope admin or an attempt’s token, at any gateway, and nothing else', async (t) => {
  const scene = await keyedScene(t);
  const second = await scene.another();
  const connection = await connectNats(scene.nats.url, 'tasks');
  const ledger = new Ledger({ store: await createJetStreamStore(connection), aggregates: [taskAggregate] as never, logger: silentLogger });
  await ledger.start();
  t.teardown(async () => {
    await ledger.stop();
    await connection.close();
  });
  const meta = () => ({ commandId: randomUUID(), actor: 'test', time: Date.now() });
  const spec = create(TaskSpecSchema, { kind: { case: 'export', value: { jobId: 'job_1' } } });
  await ledger.execute(taskAggregate, 'job_1.export', { type: 'queue', kind: TaskKind.EXPORT, project: 'p', spec, after: '', maxAttempts: 2 }, meta());
  const secret = newSecret();
  await ledger.execute(taskAggregate, 'job_1.export', { type: 'start', workerId: 'w', bootId: 'b', slot: 's', askId: 'a', secretSha256: hashSecret(secret) }, meta());
  const token = attemptToken({ taskId: 'job_1.export', attempt: 1 }, secret);

  const path = `/internal/blobs/${sha256Hex('bytes')}`;
  const put = (url: string, key: string | undefined) => fetch(url + path, { method: 'PUT', body: 'bytes', headers: key === undefined ? {} : { authorization: `Bearer ${key}` } });
  const refused: [string, string | undefined, number, RegExp][] = [
    ['no key', undefined, 401, /an API key is required/],
    ['a key of another scope', scene.keys.train, 403, /lacks the scope admin/],
    ['a key that is none', 'forge_attempt', 401, /no such API key/],
    ['a token that is none', 'forge_attempt~job_1.export~1~guess', 401, /no such attempt/],
    ['another’s token', attemptToken({ taskId: 'job_1.export', attempt: 1 }, newSecret()), 401, /no such attempt/],
  ];
  for (const [what, key, status, detail] of refused) {
    const answer = await put(scene.url, key);
    t.equal(answer.status, status, what);
    t.match(((await answer.json()) as { detail: string }).detail, detail);
    t.ok(answer.status !== 401 || answer.headers.get('www-authenticate'), 'with a challenge');
  }
  // Either gateway may have heard of the attempt first.
  for (const [url, status] of [[second, 201], [scene.url, 201], [scene.url, 200]] as const) t.equal((await put(url, token)).status, status);
  t.equal((await fetch(scene.url + path, { headers: { authorization: `Bearer ${scene.keys.admin}` } })).status, 200);
  for (const other of ['/v1/fine-tune', '/v1/api-keys', '/metrics', '/internal/other']) {
    t.equal((await fetch(scene.url + other, { headers: { authorization: `Bearer ${token}` } })).status, 401, `no token opens ${other}`);
  }

  const gateway = createBlobGateway({ url: scene.url, cacheRoot: await makeFolder(t), cacheMaxBytes: 1 << 20 });
  t.teardown(() => gateway.close());
  const guardian = gateway.as(scene.keys.admin, { patienceMs: 5_000 });
  t.match(await guardian.put([Buffer.from('a dataset')]), { size: 9 });
  t.match(await guardian.removeUntouched(sha256Hex('bytes'), Date.now() + 60_000), { size: 5 });
  await t.rejects(gateway.as(scene.keys.train, { patienceMs: 5_000 }).stat(sha256Hex('bytes')), { code: 'permission_denied' });
  await ledger.execute(taskAggregate, 'job_1.export', { type: 'lose', attempt: 1, reason: 'silent' }, meta());
  await t.resolves((async () => {
    while ((await put(second, token)).status !== 401) await new Promise((resolve) => setImmediate(resolve));
  })(), 'dead with its attempt, as soon as the gateway has heard of the end');
  t.notMatch(scene.log(), secret, 'no secret is in a log');
});
