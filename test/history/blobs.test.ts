// The commands on blobs, beside a gateway that runs.
import { execFile } from 'node:child_process';
import { readFile, utimes, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import t from 'tap';
import { blobPath, listBlobs } from '../../core/blobs/blob-files.ts';
import { dataPaths } from '../../core/config.ts';
import { sha256Hex } from '../../core/store/envelope.ts';
import { createJetStreamStore } from '../../core/store/jetstream-store.ts';
import { connectNats } from '../../core/nats.ts';
import { gatewayScene } from '../support/gateway-scene.ts';
import { startNats } from '../support/nats.ts';

t.setTimeout(120_000);

const root = resolve(import.meta.dirname, '../..');

interface Ended { status: number; stdout: string; stderr: string }

function command(name: 'gc' | 'backup' | 'restore', natsUrl: string, dataDir: string, ...args: string[]): Promise<Ended> {
  return new Promise((done) => {
    execFile(process.execPath, [join(root, `deploy/history/${name}.ts`), ...args], { env: { ...process.env, FORGE_NATS_URL: natsUrl, FORGE_DATA_DIR: dataDir } }, (error, stdout, stderr) => {
      done({ status: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

const rows = `${JSON.stringify({ messages: [{ role: 'user', content: 'Hi' }, { role: 'assistant', content: 'Hello' }] })}\n`;
const digestsIn = async (folder: string): Promise<string[]> => (await Array.fromAsync(listBlobs(folder), ({ digest }) => digest)).sort();

t.test('gc removes what no event names, and only where events and blobs belong together', async (t) => {
  const scene = await gatewayScene(t);
  const { blobs } = dataPaths(scene.config.dataDir);
  const gc = (...args: string[]) => command('gc', scene.nats.url, scene.config.dataDir, ...args);
  t.match(await gc(), { status: 2, stderr: /holds no events: it is not that of the blobs/ });
  const form = new FormData();
  form.set('purpose', 'fine-tune');
  form.set('file', new File([rows], 'rows.jsonl'));
  t.equal((await fetch(`${scene.url}/v1/files`, { method: 'POST', body: form })).status, 200);
  const old = await scene.blobs.put([Buffer.from('nobody names it')]);
  const monthAgo = new Date(Date.now() - 30 * 86_400_000);
  for (const digest of [old.digest, sha256Hex(rows)]) await utimes(blobPath(blobs, digest), monthAgo, monthAgo);
  const young = await scene.blobs.put([Buffer.from('nobody names it yet')]);

  const dry = await gc('--dry-run');
  t.match(dry, { status: 0, stdout: `Named by events: 1 blobs of ${rows.length} bytes. Stored within the last day: 1 blobs of ${young.size} bytes. Would be removed: 1 blobs of ${old.size} bytes.` }, dry.stderr);
  t.equal((await digestsIn(blobs)).length, 3);
  t.match(await gc(), { status: 0, stdout: /Removed: 1 blobs/ });
  t.same(await digestsIn(blobs), [sha256Hex(rows), young.digest].sort());
  const empty = await startNats(t);
  t.match(await command('gc', empty.url, scene.config.dataDir), { status: 2 }, 'another server');
  for (const [args, told] of [[['--heads', 'x'], /Unknown option '--heads'/], [['file'], /usage: npm run gc/], [['--dry'], /dry/]] as const) t.match(await gc(...args), { status: 2, stderr: told });
});

t.test('backup and restore take the blobs along, and believe none without looking', async (t) => {
  const scene = await gatewayScene(t);
  const form = new FormData();
  form.set('purpose', 'fine-tune');
  form.set('file', new File([rows], 'rows.jsonl'));
  t.equal((await fetch(`${scene.url}/v1/files`, { method: 'POST', body: form })).status, 200);
  await scene.blobs.put([Buffer.from('nobody names it')]);
  const dir = t.testdir();
  const [file, copies] = [join(dir, 'events.gz'), join(dir, 'copies')];
  const backup = (name: string) => command('backup', scene.nats.url, scene.config.dataDir, join(dir, name), '--blobs', copies, '--heads', join(dir, 'heads'));
  t.match(await backup('events.gz'), { status: 0, stdout: new RegExp(`1 blobs of ${rows.length} bytes were copied to .*, 0 were there`) });
  t.same(await digestsIn(copies), [sha256Hex(rows)]);
  t.match(await backup('later.gz'), { status: 0, stdout: /0 blobs of 0 bytes were copied to .*, 1 were there/ }, 'what is there is not copied again');

  const empty = await startNats(t);
  const target = join(dir, 'restored');
  const copy = blobPath(copies, sha256Hex(rows));
  t.match(await command('restore', empty.url, target, file, '--blobs', join(dir, 'none')), { status: 2, stderr: /--blobs: .* is no folder/ });
  t.match(await command('restore', empty.url, target, copy, '--blobs', copies), { status: 2, stderr: /can’t be restored/ });
  await writeFile(copy, rows.replace('Hello', 'Hullo'));
  t.match(await command('restore', empty.url, target, file, '--blobs', copies), { status: 2, stderr: /was altered: its bytes hash to .*Nothing was changed/ });
  const connection = await connectNats(empty.url, 'test');
  t.teardown(() => connection.close());
  t.equal(await (await createJetStreamStore(connection)).lastSequence(), 0);
  t.same(await digestsIn(dataPaths(target).blobs), []);
  t.match(await backup('again.gz'), { status: 0, stdout: /1 blobs of/ }, 'a copy that was altered is made anew');
  const restored = await command('restore', empty.url, target, file, '--blobs', copies);
  t.match(restored, { status: 0, stdout: /1 blobs of/ }, restored.stderr);
  t.equal(await readFile(blobPath(dataPaths(target).blobs, sha256Hex(rows)), 'utf8'), rows);

  await scene.blobs.remove(sha256Hex(rows));
  const lacking = await command('backup', scene.nats.url, scene.config.dataDir, join(dir, 'lacking.gz'), '--blobs', join(dir, 'others'));
  t.match(lacking, { status: 1, stderr: /blob [0-9a-f]{64} is not in the store/, stdout: /1 that the events name could not be copied/ });
});
