import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { chmod, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t from 'tap';
import { connectNats } from '../../core/nats.ts';
import { startNats } from '../support/nats.ts';
import { makeFolder } from '../support/repository.ts';
import { makeNamespace } from './namespace.ts';
import { NatsFrames, publishedTo } from './nats-frames.ts';
import { describePlan, planOf } from './plan.ts';
import { startRelay } from './relay.ts';

t.test('a plan is a pure function of its seed, and a quarter of an hour has hundreds of jobs, 20 of them on the real trainer', async (t) => {
  const plan = planOf(7, 15, false);
  t.strictSame(planOf(7, 15, false), plan);
  t.not(JSON.stringify(planOf(8, 15, false)), JSON.stringify(plan));
  t.ok(plan.jobs.length >= 200);
  t.ok(plan.jobs.filter((job) => job.trainer === 'real').length >= 20);
  t.ok(plan.jobs.every((job) => job.at >= 0 && job.at <= 15 * 60_000) && plan.faults.every((fault) => fault.at >= 0 && fault.at <= 15 * 60_000));
  const kinds = new Set(plan.faults.map((fault) => (fault.target.startsWith('nats') ? 'nats' : fault.kind)));
  t.strictSame([...kinds].sort(), ['clock', 'cut', 'disk', 'kill', 'nats', 'reset', 'silent', 'slow', 'stop', 'twice']);
  t.match(describePlan(plan), /seed 7: \d+ jobs on the scripted trainer, 21 on the real one, 225 faults\n {2}\d/);
  t.strictSame(new Set(planOf(7, 15, true).faults.filter((fault) => fault.target.startsWith('nats')).map((fault) => fault.target)).size, 3);
});

t.test('what a client sends is cut into its operations, wherever the pieces end', async (t) => {
  const operations = ['CONNECT {"a":1}\r\n', 'PUB work.beat.a _INBOX.a.1 7\r\na\r\nPUB \r\n', 'HPUB work.ask.a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n', 'PUB other 0\r\n\r\n', 'PING\r\n'];
  const bytes = Buffer.from(operations.join(''));
  for (const size of [1, 2, 5, 1_000]) {
    const frames = new NatsFrames();
    const found: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += size) found.push(...frames.push(bytes.subarray(at, at + size)));
    t.strictSame(found.map(String), operations, `pieces of ${size}`);
    t.strictSame(found.map(publishedTo), [undefined, 'work.beat.a', 'work.ask.a', 'other', undefined]);
  }
});

t.test('through a relay a message comes once, twice, late, or after the way is healed', { timeout: 60_000 }, async (t) => {
  const server = await startNats(t);
  const relay = await startRelay([server.port], () => 0.5);
  t.teardown(() => relay.stop());
  const far = await connectNats(server.url, 'far');
  const near = await connectNats(relay.url, 'near');
  t.teardown(() => Promise.all([far.close(), near.close()]));
  const heard: string[] = [];
  const waiting: (() => void)[] = [];
  far.subscribe('>', {
    callback: (_error, message) => {
      heard.push(message.string());
      for (const look of [...waiting]) look();
    },
  });
  await far.flush();
  const until = (text: string, times: number): Promise<void> => new Promise((resolve) => {
    const look = (): void => {
      if (heard.filter((one) => one === text).length >= times) resolve();
    };
    waiting.push(look);
    look();
  });

  near.publish('work.report.a', 'plain');
  await until('plain', 1);
  relay.trouble({ kind: 'twice', holdMs: 20 });
  near.publish('work.report.a', 'doubled');
  near.publish('elsewhere', 'single');
  await until('doubled', 2);
  t.equal(heard.filter((one) => one === 'single').length, 1, 'only workers’ requests are touched');
  relay.trouble({ kind: 'slow', holdMs: 300 });
  near.publish('work.report.a', 'held back');
  near.publish('elsewhere', 'overtakes');
  await until('held back', 1);
  t.ok(heard.indexOf('overtakes') < heard.indexOf('held back'));
  t.equal(relay.disturbed, 2);

  relay.trouble({ kind: 'silent' });
  near.publish('work.report.a', 'of a zombie');
  far.publish('elsewhere', 'meanwhile');
  await far.flush();
  await until('meanwhile', 1);
  t.notOk(heard.includes('of a zombie'));
  relay.trouble(undefined);
  await until('of a zombie', 1);

  const back = (async () => {
    for await (const status of near.status()) if (status.type === 'reconnect') return;
  })();
  relay.trouble({ kind: 'reset' });
  relay.trouble(undefined);
  await back;
  near.publish('work.report.a', 'again');
  await until('again', 1);
});

t.test('a relay in front of several servers takes the first one that is there', async (t) => {
  const gone = createServer().listen(0, '127.0.0.1');
  await once(gone, 'listening');
  const { port } = gone.address() as AddressInfo;
  gone.close();
  await once(gone, 'close');
  const server = await startNats(t);
  const relay = await startRelay([port, server.port], () => 0);
  t.teardown(() => relay.stop());
  const connection = await connectNats(relay.url, 'near');
  t.equal(connection.info?.port, server.port);
  await connection.close();
});

t.test('what runs in a namespace reaches nothing but the host’s end of its cable, and not even that while it is pulled', { timeout: 60_000 }, async (t) => {
  // Made here alone, so that none is left behind where this test is not run.
  const namespace = await makeNamespace();
  if (typeof namespace === 'string') return void t.pass(`not tried: ${namespace}`);
  t.teardown(() => namespace.remove());
  const server = await startNats(t);
  const relay = await startRelay([server.port], () => 0, namespace.hostAddress);
  t.teardown(() => relay.stop());
  const [command, ...args] = [...namespace.launch, process.execPath, join(import.meta.dirname, 'echo-over-nats.ts'), relay.url];
  const child = spawn(command!, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  t.equal((await lines.next()).value, `ready ${child.pid}`, 'the process that was started is the one that runs');
  const client = await connectNats(server.url, 'far');
  t.teardown(() => client.close());
  const echo = (text: string, timeout: number): Promise<string> => client.request('echo', text, { timeout }).then((message) => message.string());
  t.equal(await echo('plugged in', 10_000), 'plugged in');
  await namespace.plug(false);
  await t.rejects(echo('pulled', 500), 'no answer comes');
  await namespace.plug(true);
  // TCP finds out by itself, with its next try.
  t.equal(await echo('plugged in again', 20_000), 'plugged in again');
});

t.test('a namespace that a killed run of the same process id left behind is replaced', { timeout: 60_000 }, async (t) => {
  const left = await makeNamespace(63);
  if (typeof left === 'string') return void t.pass(`not tried: ${left}`);
  t.teardown(() => left.remove());
  const again = await makeNamespace(63);
  if (typeof again === 'string') throw new Error(again);
  t.strictSame(again.launch, left.launch);
  await again.plug(false);
});

t.test('why there is no namespace is told, also where what was begun cannot be removed', async (t) => {
  const bin = t.testdir({ ip: '#!/bin/sh\ncase "$1 $2" in "netns add") exit 0;; *) echo no such luck >&2; exit 1;; esac\n' });
  await chmod(join(bin, 'ip'), 0o755);
  const { PATH } = process.env;
  process.env.PATH = `${bin}:${PATH}`;
  t.teardown(() => void (process.env.PATH = PATH));
  t.match(await makeNamespace(), /^a network namespace has no cable to the host: .*no such luck/s);
});

t.test('a process’s wall clock is shifted while it runs, and its monotonic one is not', { timeout: 60_000 }, async (t) => {
  const file = join(await makeFolder(t), 'clock');
  await writeFile(file, '3600000');
  const script = "console.log([Date.now(), +new Date(), performance.now() < 60_000, new Date(5).getTime()].join()); setInterval(() => console.log(Date.now()), 50)";
  const child = spawn(process.execPath, ['--import', join(import.meta.dirname, 'shifted-clock.mjs'), '-e', script], { env: { ...process.env, SHIFTED_CLOCK_FILE: file }, stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const [now, made, monotonic, fixed] = ((await lines.next()).value as string).split(',');
  const hour = (time: number): number => Math.round((time - Date.now()) / 3_600_000);
  t.strictSame([hour(Number(now)), hour(Number(made)), monotonic, fixed], [1, 1, 'true', '5']);
  await writeFile(file, '-7200000');
  for (;;) if (hour(Number((await lines.next()).value)) === -2) break;
  t.pass('set while it ran');
});
