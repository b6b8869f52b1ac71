import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t from 'tap';
import type { BeatRequest } from '../../core/gen/aiforge/v1/worker_pb.ts';
import { connectNats } from '../../core/nats.ts';
import { startNats } from '../support/nats.ts';
import { createWorkerGateway } from '../support/worker-gateway.ts';

t.setTimeout(60_000);

const main = join(import.meta.dirname, '../../gpu-agent/main.ts');

t.test('the daemon says when it is ready, tells what the host has, and goes when told', async (t) => {
  const server = await startNats(t);
  const nats = await connectNats(server.url, 'gateway');
  const dataDir = await mkdtemp(join(tmpdir(), 'forge-main-'));
  t.teardown(async () => {
    await nats.close();
    await rm(dataDir, { recursive: true, force: true });
  });
  const gateway = createWorkerGateway(nats);
  const env = { PATH: process.env['PATH'], FORGE_NATS_URL: server.url, FORGE_DATA_DIR: dataDir, FORGE_WORKER_ID: 'host-1', FORGE_BEAT_MS: '100' };
  const daemon = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(() => daemon.kill('SIGKILL'));
  const [line] = (await once(createInterface({ input: daemon.stdout }), 'line')) as [string];
  t.equal(line, 'ready');
  const beat = await gateway.until<BeatRequest>('beats', () => true);
  t.ok(beat.info!.cpus >= 1 && beat.info!.slots.some((slot) => slot.name === 'cpu'));
  const exited = once(daemon, 'exit');
  daemon.kill('SIGTERM');
  t.same(await exited, [0, null]);
});

t.test('settings that are wrong end it with a clear word', async (t) => {
  const daemon = spawn(process.execPath, [main], { env: { PATH: process.env['PATH'], FORGE_BEAT_MS: 'soon', FORGE_BEATS: '1' }, stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  daemon.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
  t.same(await once(daemon, 'close'), [1, null]);
  t.match(log, /FORGE_BEATS: no such setting[\s\S]*FORGE_BEAT_MS/);
});
