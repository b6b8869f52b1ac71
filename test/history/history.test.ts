import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { allAggregates } from '../../core/aggregates.ts';
import { silentLogger } from '../../core/logger.ts';
import { connectNats } from '../../core/nats.ts';
import { encodeEnvelope, sha256Hex } from '../../core/store/envelope.ts';
import { createJetStreamStore } from '../../core/store/jetstream-store.ts';
import { Ledger } from '../../core/store/ledger.ts';
import { digestState } from '../../core/store/state-digest.ts';
import { event } from '../../core/task/events.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { gatewayScene } from '../support/gateway-scene.ts';
import { startNats } from '../support/nats.ts';

const root = resolve(import.meta.dirname, '../..');

interface Ended { status: number; stdout: string; stderr: string }

/** @param natsUrl undefined: the data directory's own nats-server */
function command(name: 'verify' | 'backup' | 'restore', natsUrl: string | undefined, dataDir: string, ...args: string[]): Promise<Ended> {
  return new Promise((done) => {
    execFile(process.execPath, [join(root, `deploy/history/${name}.ts`), ...args], { env: { ...process.env, FORGE_NATS_URL: natsUrl ?? '', FORGE_DATA_DIR: dataDir } }, (error, stdout, stderr) => {
      done({ status: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** A server whose history a gateway has made: jobs in several states. */
async function sceneWithJobs(t: Test) {
  const scene = await gatewayScene(t);
  await scene.guardian();
  const jobs: string[] = [];
  for (let n = 0; n < 3; n++) jobs.push((await scene.post('/v1/fine-tune', { project_name: 'tiny', base_model: 'ai-forge/starter' }, { 'idempotency-key': `key-${n}` })).body['job_id'] as string);
  t.equal((await scene.post(`/v1/fine-tune/${jobs[0]}/pause`)).status, 200);
  t.equal((await scene.post(`/v1/fine-tune/${jobs[1]}/cancel`)).status, 200);
  return { scene, jobs };
}

async function fold(t: Test, natsUrl: string) {
  const connection = await connectNats(natsUrl, 'test');
  const store = await createJetStreamStore(connection);
  const ledger = new Ledger({ store, aggregates: allAggregates, logger: silentLogger });
  await ledger.start();
  t.teardown(async () => { await ledger.stop(); await connection.close(); });
  return { connection, store, ledger };
}

t.test('a backup restored into an empty server is the same history and the same state', async (t) => {
  const { scene, jobs } = await sceneWithJobs(t);
  const dir = t.testdir();
  const file = join(dir, 'events.jsonl.gz');

  const verified = await command('verify', scene.nats.url, scene.config.dataDir);
  t.equal(verified.status, 0, verified.stderr);
  t.match(verified.stdout, /states of 1 running gateways: all is well/);
  const made = await command('backup', scene.nats.url, dir, file);
  t.equal(made.status, 0, made.stderr);
  t.match(await command('backup', scene.nats.url, dir, file), { status: 2, stderr: /is there already: name another file/ });

  const empty = await startNats(t);
  const restored = await command('restore', empty.url, dir, file);
  t.equal(restored.status, 0, restored.stderr);
  const [before, after] = [await fold(t, scene.nats.url), await fold(t, empty.url)];
  const digest = await digestState(after.ledger.replay);
  t.strictSame(digest, await digestState(before.ledger.replay), 'every aggregate of every kind');
  t.equal(digest.sequence, await before.store.lastSequence());
  t.equal(after.ledger.head(taskAggregate, jobs[1]!).state.status, 'cancelled');
  t.match(await command('verify', empty.url, dir), { status: 0, stdout: /compared with 1 earlier looks and with the states of 0 running gateways: all is well/ }, 'the head that the backup kept fits');
  t.equal((await after.ledger.execute(taskAggregate, jobs[0]!, { type: 'resume' }, { commandId: 'resume', actor: 'test', time: Date.now() })).state.status, 'queued', 'and it goes on from there');

  const own = join(dir, 'own');
  t.match(await command('restore', undefined, own, file), { status: 0 }, 'where nothing runs, a nats-server is started for the time of the command');
  t.match(await command('verify', undefined, own, '--heads', join(dir, 'events.heads')), { status: 0, stdout: /compared with 1 earlier looks/ });
  t.match(await command('restore', empty.url, dir, file), { status: 2, stderr: /holds \d+ events already: restore into an empty one/ });
});

t.test('a backup that was cut off or changed is refused before anything is written', async (t) => {
  const { scene } = await sceneWithJobs(t);
  const dir = t.testdir();
  const file = join(dir, 'events.jsonl.gz');
  t.equal((await command('backup', scene.nats.url, dir, file)).status, 0);
  const whole = await readFile(file);
  const lines = gunzipSync(whole).toString().trimEnd().split('\n');
  const changed = lines.with(2, lines[2]!.replace('"forge.', '"forge.x'));
  const broken: Record<string, Buffer> = {
    'cut in the middle': whole.subarray(0, whole.length >> 1),
    'cut at a line': gzipSync(lines.slice(0, -1).map((line) => `${line}\n`).join('')),
    'a message changed': gzipSync(changed.map((line) => `${line}\n`).join('')),
    'a message left out': gzipSync(lines.toSpliced(2, 1).map((line) => `${line}\n`).join('')),
    'something else': Buffer.from('no backup'),
  };
  const empty = await startNats(t);
  const connection = await connectNats(empty.url, 'test');
  t.teardown(() => connection.close());
  for (const [what, bytes] of Object.entries(broken)) {
    await writeFile(file, bytes);
    t.match(await command('restore', empty.url, dir, file), { status: 2, stderr: /can’t be restored: .*Nothing was changed/ }, what);
  }
  t.equal(await (await createJetStreamStore(connection)).lastSequence(), 0);
});

t.test('verify finds what should not be there, and what is not as it was', async (t) => {
  const { scene, jobs } = await sceneWithJobs(t);
  const dir = t.testdir();
  t.equal((await command('verify', scene.nats.url, dir)).status, 0);
  const heads = join(dir, 'events.heads');

  // A history that is consistent in itself, and another one.
  const line = JSON.parse(await readFile(heads, 'utf8')) as { sequence: number; digest: string; time: string };
  await writeFile(heads, `${JSON.stringify({ ...line, digest: sha256Hex('another') })}\n`);
  t.match(await command('verify', scene.nats.url, dir), { status: 1, stderr: new RegExp(`the history from message 1 to ${line.sequence} is not what it was on ${line.time}`) });
  await writeFile(heads, `${JSON.stringify({ ...line, sequence: line.sequence + 5 })}\n`);
  t.match(await command('verify', scene.nats.url, dir), { status: 1, stderr: new RegExp(`ends at message ${line.sequence}; on ${line.time} it went to ${line.sequence + 5}`) });
  await rm(heads);

  const { connection, store, ledger } = await fold(t, scene.nats.url);
  const head = ledger.head(taskAggregate, jobs[2]!);
  const meta = { commandId: 'forged', actor: 'test', time: 1 };
  const chainless = await store.append('task', jobs[2]!, encodeEnvelope('task', jobs[2]!, meta, 'ab'.repeat(32), [event('taskResumed', {})]), head.version);
  const illegal = encodeEnvelope('task', jobs[1]!, meta, ledger.head(taskAggregate, jobs[1]!).sha256, [event('taskResumed', {})]);
  const resumed = await store.append('task', jobs[1]!, illegal, ledger.head(taskAggregate, jobs[1]!).version);
  connection.publish('forge.task.stray', 'no envelope');
  await connection.flush();
  const found = await command('verify', scene.nats.url, dir);
  t.equal(found.status, 1);
  t.match(found.stderr, `message ${chainless} on forge.task.${jobs[2]}: its hash of the envelope before does not match`);
  t.match(found.stderr, `message ${resumed} on forge.task.${jobs[1]}: taskResumed while the task is cancelled`);
  t.match(found.stderr, /on forge\.task\.stray: /);
  t.match(found.stdout, /: 3 problems/, 'and the gateway, which applied none of it, agrees with the replay');
});
