import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t from 'tap';
import { StartError } from '../../deploy/local/service.ts';
import { createSupervisor } from '../../deploy/local/supervisor.ts';
import { allGone, lives, toy } from './support/toys.ts';

t.setTimeout(240_000);

/** Collects what the supervisor says, and lets a test wait for a line. */
function terminal() {
  const lines: string[] = [];
  let wake = (): void => {};
  return {
    lines,
    say: (line: string) => { lines.push(line); wake(); },
    async until(pattern: RegExp): Promise<string> {
      for (;;) {
        const found = lines.find((line) => pattern.test(line));
        if (found !== undefined) return found;
        await new Promise<void>((resolve) => { wake = resolve; });
      }
    },
  };
}

t.test('starts step by step, tells the ready lines, and stops all', async (t) => {
  const { say } = terminal();
  const order: string[] = [];
  const supervisor = createSupervisor([
    { specs: [toy('slow', '150')], graceMs: 2_000 },
    { specs: [toy('one', '0'), toy('two', '0')], graceMs: 2_000 },
  ], { logDir: t.testdir(), say, onReady: (name) => order.push(name) });
  t.teardown(() => supervisor.kill());
  const lines = await supervisor.start();
  t.equal(order[0], 'slow');
  t.same(Object.keys(lines).sort(), ['one', 'slow', 'two']);
  const pids = Object.values(supervisor.pids());
  t.equal(pids.length, 3);
  await supervisor.stop();
  await allGone(pids);
});

t.test('starts a killed process again, with a back-off that it tells, and adapts the command', async (t) => {
  const { say, until } = terminal();
  const supervisor = createSupervisor([{ specs: [toy('one', '0')], graceMs: 2_000 }], {
    logDir: t.testdir(), say, adapt: (spec) => ({ ...spec, env: { ...spec.env, FORGE_PORT: '4711' } }),
  });
  t.teardown(() => supervisor.kill());
  await supervisor.start();
  const first = supervisor.pids()['one']!;
  process.kill(first, 'SIGKILL');
  t.match(await until(/starting it again/), /one was ended by SIGKILL; starting it again in 0\.5 s/);
  await until(/one is back/);
  const second = supervisor.pids()['one']!;
  t.not(second, first);
  process.kill(second, 'SIGKILL');
  await until(/starting it again in 1 s/);
  t.match(await readFile(join(t.testdirName, 'one.log'), 'utf8'), /ready 4711/, 'a later start has the adapted command');
  await supervisor.stop();
});

t.test('a process that never comes up is given up, with its last words', async (t) => {
  const { say } = terminal();
  const supervisor = createSupervisor([{ specs: [toy('broken', '0', 'crash-before')], graceMs: 500 }], { logDir: t.testdir(), say });
  t.teardown(() => supervisor.kill());
  const error = await supervisor.start().then(() => undefined, (reason: Error) => reason);
  t.ok(error instanceof StartError);
  t.match(error?.message, /broken ended with status 7/);
  t.match(error?.message, /the reason why/);
  t.same(supervisor.pids(), {});
});

t.test('a process that neither comes up nor ends is killed, and given up like one that ends', { timeout: 60_000 }, async (t) => {
  const { say, lines } = terminal();
  const mute = { ...toy('mute'), command: '/bin/sh', args: ['-c', 'sleep 300 & echo grandchild $!; wait'] };
  const supervisor = createSupervisor([{ specs: [mute], graceMs: 500 }], { logDir: t.testdir(), say, startLimitMs: 3_000 });
  t.teardown(() => supervisor.kill());
  const error = await supervisor.start().then(() => undefined, (reason: Error) => reason);
  t.ok(error instanceof StartError);
  t.match(error?.message, /mute was not ready within 3 s and was killed[^]*grandchild \d+/);
  t.equal(lines.filter((line) => line.includes('starting it again')).length, 2);
  t.same(supervisor.pids(), {});
  const started = [...(await readFile(join(t.testdirName, 'mute.log'), 'utf8')).matchAll(/grandchild (\d+)/g)].map((match) => Number(match[1]));
  t.ok(started.length > 0);
  await allGone(started, 20_000);
});

t.test('a command that is not there is told as such', async (t) => {
  const supervisor = createSupervisor([{ specs: [{ ...toy('gone', '0'), command: '/nonexistent/gone' }], graceMs: 500 }], { logDir: t.testdir(), say: () => {} });
  await t.rejects(supervisor.start(), /gone was not found/);
});

t.test('what does not end in its grace is killed, with what it started', async (t) => {
  const { say, lines } = terminal();
  const supervisor = createSupervisor([{ specs: [toy('deaf', '0', 'stubborn', 'grandchild')], graceMs: 300 }], { logDir: t.testdir(), say });
  t.teardown(() => supervisor.kill());
  await supervisor.start();
  const grandchild = Number(/grandchild (\d+)/.exec(await readFile(join(t.testdirName, 'deaf.log'), 'utf8'))![1]);
  const pids = [supervisor.pids()['deaf']!, grandchild];
  t.ok(pids.every(lives));
  await supervisor.stop();
  await allGone(pids);
  t.match(lines.join('\n'), /deaf did not end within 0\.3 s and is killed/);
});

t.test('kill -9 of the supervisor leaves no process', async (t) => {
  const dir = t.testdir();
  const parent = spawn(process.execPath, [join(import.meta.dirname, 'support', 'toy-supervisor.ts'), dir], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => { parent.kill('SIGKILL'); });
  const [line] = await once(createInterface({ input: parent.stdout }), 'line') as [string];
  const grandchild = Number(/grandchild (\d+)/.exec(await readFile(join(dir, 'first.log'), 'utf8'))![1]);
  const pids = [...Object.values(JSON.parse(line) as Record<string, number>), grandchild];
  t.equal(pids.length, 3);
  t.ok(pids.every(lives), 'all run before');
  parent.kill('SIGKILL');
  await once(parent, 'exit');
  await allGone(pids);
});

const proc = { skip: existsSync('/proc/self/stat') ? false : 'no /proc on this system' };
t.test('a leash that is killed takes its process along, and both come back', proc, async (t) => {
  const { say, until } = terminal();
  const supervisor = createSupervisor([{ specs: [toy('one', '0')], graceMs: 2_000 }], { logDir: t.testdir(), say });
  t.teardown(() => supervisor.kill());
  await supervisor.start();
  const pid = supervisor.pids()['one']!;
  const leash = Number((await readFile(`/proc/${pid}/stat`, 'latin1')).split(') ')[1]?.split(' ')[1]);
  process.kill(leash, 'SIGKILL');
  await until(/one is back/);
  await allGone([pid]);
  await supervisor.stop();
});
