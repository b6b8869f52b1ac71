import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { startForge } from './support/local-forge.ts';
import { allGone, lives } from './support/toys.ts';

t.setTimeout(240_000);

const ready = /^AI Forge is ready on (http:\S+)$/m;
const health = async (url: string): Promise<{ status: number; degraded: string[] }> => {
  const response = await fetch(new URL('/health', url));
  const body = await response.json() as { degraded?: string[] };
  return { status: response.status, degraded: body.degraded ?? [] };
};

t.test('bad settings are all told at once, and nothing is made', async (t) => {
  const dir = t.testdir();
  const forge = startForge(t, join(dir, 'data'), { FORGE_PORT: 'eighty', FORGE_PROT: '1', FORGE_HOST: '0.0.0.0', FORGE_API_KEYS: 'off' });
  t.equal(await forge.ended, 1);
  for (const key of ['FORGE_PORT', 'FORGE_PROT', 'FORGE_API_KEYS']) t.match(forge.output(), new RegExp(`${key}: `));
  t.notMatch(forge.output(), /\n\s+at /, 'no stack trace');
  t.notOk(existsSync(join(dir, 'data')));
});

t.test('a port that is taken is told with the remedy', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const forge = startForge(t, join(t.testdir(), 'data'), { FORGE_PORT: String(port) });
  t.equal(await forge.ended, 1);
  t.match(forge.output(), new RegExp(`Port ${port} on 127\\.0\\.0\\.1 is taken.*FORGE_PORT=`));
  t.notOk(existsSync(join(forge.dataDir, 'lock')), 'the directory is free again');
});

t.test('two instances run side by side; one directory has one; each ends as it should', async (t) => {
  const dir = t.testdir();
  const [a, b] = [startForge(t, join(dir, 'a')), startForge(t, join(dir, 'b'))];
  const [urlA, urlB] = await Promise.all([a.until(ready), b.until(ready)]).then((found) => found.map((match) => match[1]!)) as [string, string];
  t.not(urlA, urlB);
  for (const url of [urlA, urlB]) {
    const { status, degraded } = await health(url);
    t.equal(status, 200);
    t.notOk(degraded.some((name) => ['nats', 'agent', 'guardian'].includes(name)), `${degraded.join(', ')} away`);
  }

  const third = startForge(t, join(dir, 'a'));
  t.equal(await third.ended, 1);
  t.match(third.output(), new RegExp(`in use by the AI Forge of process ${a.process.pid} on ${urlA}`));

  const gateway = a.pids()['gateway']!;
  process.kill(gateway, 'SIGKILL');
  await a.until(/gateway was ended by SIGKILL; starting it again/);
  await a.until(/gateway is back/);
  t.equal((await health(urlA)).status, 200, 'on the same port');
  const nats = a.pids()['nats-server']!;
  process.kill(nats, 'SIGKILL');
  await a.until(/nats-server is back/);

  const pidsA = Object.values(a.pids());
  t.equal(pidsA.length, 4);
  const begin = performance.now();
  a.process.kill('SIGTERM');
  t.equal(await a.ended, 0);
  t.ok(performance.now() - begin < 10_000, 'within 10 s');
  await allGone(pidsA);
  t.notOk(existsSync(join(dir, 'a', 'lock')));
  t.same(readdirSync(join(dir, 'a', 'logs')).sort(), ['agent.log', 'gateway.log', 'guardian.log', 'nats-server.log']);

  const pidsB = Object.values(b.pids());
  t.ok(pidsB.every(lives), 'the other one is not touched');
  b.process.kill('SIGKILL');
  t.equal(await b.ended, 'SIGKILL');
  await allGone(pidsB);

  const again = startForge(t, join(dir, 'b'));
  await again.until(ready);
  again.process.kill('SIGINT');
  t.equal(await again.ended, 0, 'a directory whose owner was killed is taken over');
});

t.test('a wait for a line that never comes ends, and shows what there was', { timeout: 120_000 }, async (t) => {
  const forge = startForge(t, join(t.testdir(), 'data'));
  await forge.until(ready);
  await t.rejects(forge.until(/never said/, 1), { message: /1 ms went by before \/never said\/:[^]*is ready on[^]*--- logs\/gateway\.log\n/ });
  forge.process.kill('SIGTERM');
  await forge.ended;
});
