import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { startChild } from '../../gpu-agent/process/child.ts';
import { processState, untilGone, untilState } from '../support/proc.ts';

t.setTimeout(60_000);
if (process.platform !== 'linux') t.bailout('these tests look into /proc');

/** A child that has a child of its own in its group, and tells its process id on the events pipe. */
const family = `
  const { spawn } = require('node:child_process');
  const helper = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e9)'], { stdio: 'ignore' });
  require('node:fs').writeSync(3, JSON.stringify({ helper: helper.pid }) + '\\n');
  setInterval(() => {}, 1e9);`;
const idle = 'setInterval(() => {}, 1e9)';

/** Starts a daemon in a process of its own. @returns it and the process id of what it guards */
async function daemon(t: Test, silenceMs: number): Promise<{ process: ChildProcess; pid: number; guard: number }> {
  const started = spawn(process.execPath, [join(import.meta.dirname, '../support/child-daemon.ts'), String(silenceMs), process.execPath, '-e', idle], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.teardown(() => started.kill('SIGKILL'));
  const lines = createInterface({ input: started.stdout! });
  const pid = Number(await new Promise<string>((resolve) => lines.once('line', resolve)));
  return { process: started, pid, guard: parentOf(pid) };
}

function parentOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}

t.test('the daemon is killed: so is the trainer, running or stopped', async (t) => {
  for (const stopFirst of [false, true]) {
    const { process: started, pid, guard } = await daemon(t, 20_000);
    if (stopFirst) {
      started.stdin!.write('stop\n');
      await untilState(pid, (state) => state === 'T');
    }
    started.kill('SIGKILL');
    await untilGone(pid);
    await untilGone(guard);
    t.pass(stopFirst ? 'stopped' : 'running');
  }
});

t.test('the daemon hangs: the trainer is killed after the silence', async (t) => {
  const { process: started, pid } = await daemon(t, 300);
  t.ok(processState(pid));
  await untilState(started.pid!, (state) => state !== undefined);
  started.kill('SIGSTOP');
  await untilGone(pid);
  started.kill('SIGCONT');
  await new Promise((resolve) => started.once('exit', resolve));
  t.equal(started.exitCode, 0, 'the daemon learns of it when it goes on');
});

t.test('a daemon that ticks keeps its trainer, however long that takes', async (t) => {
  const child = startChild({ command: process.execPath, args: ['-e', 'setTimeout(() => process.exit(5), 2500)'], cwd: process.cwd(), env: process.env, silenceMs: 1_000, onEvent() {}, onLog() {} });
  t.match(await child.exited, { code: 5, signal: null });
});

t.test('the guard gets SIGTERM: it takes the trainer with it', async (t) => {
  const { pid, guard } = await daemon(t, 20_000);
  process.kill(guard, 'SIGTERM');
  await untilGone(pid);
  await untilGone(guard);
  t.pass();
});

t.test('the guard itself is killed: the daemon ends the trainer', async (t) => {
  const { process: started, pid, guard } = await daemon(t, 20_000);
  process.kill(guard, 'SIGKILL');
  await untilGone(pid);
  await new Promise((resolve) => started.once('exit', resolve));
  t.pass();
});

t.test('the whole group is stopped, continued and killed', async (t) => {
  const helper = Promise.withResolvers<number>();
  const child = startChild({
    command: process.execPath, args: ['-e', family], cwd: process.cwd(), env: process.env, silenceMs: 20_000,
    onEvent: (line) => helper.resolve(JSON.parse(line).helper), onLog() {},
  });
  const pids = [(await child.pid)!, await helper.promise];
  child.stop();
  for (const pid of pids) await untilState(pid, (state) => state === 'T');
  child.continue();
  for (const pid of pids) await untilState(pid, (state) => state !== 'T');
  child.kill();
  t.match(await child.exited, { code: null, signal: 'SIGKILL' });
  for (const pid of pids) await untilGone(pid);
});

t.test('what the trainer leaves in its group ends with it', async (t) => {
  const helper = Promise.withResolvers<number>();
  const child = startChild({
    command: process.execPath, args: ['-e', `${family}; setTimeout(() => process.exit(7), 50)`], cwd: process.cwd(), env: process.env, silenceMs: 20_000,
    onEvent: (line) => helper.resolve(JSON.parse(line).helper), onLog() {},
  });
  t.match(await child.exited, { code: 7, signal: null });
  await untilGone(await helper.promise);
});

t.test('a command that is not there is told as such', async (t) => {
  const child = startChild({ command: '/nowhere/python', args: [], cwd: process.cwd(), env: process.env, silenceMs: 20_000, onEvent() {}, onLog() {} });
  t.match((await child.exited).error, /ENOENT/);
  t.equal(await child.pid, undefined);
});

t.test('everything the trainer wrote is read before its end is told', async (t) => {
  let events = 0;
  const log: string[] = [];
  const script = `const { writeSync } = require('node:fs'); for (let i = 0; i < 5000; i++) writeSync(3, JSON.stringify({ i, pad: 'x'.repeat(100) }) + '\\n'); process.stderr.write('last words'); `;
  const child = startChild({ command: process.execPath, args: ['-e', script], cwd: process.cwd(), env: process.env, silenceMs: 20_000, onEvent: () => (events += 1), onLog: (line) => log.push(line) });
  t.match(await child.exited, { code: 0 });
  t.equal(events, 5_000);
  t.same(log, ['last words']);
});

t.test('no descriptor stays open', async (t) => {
  const open = (): number => readdirSync('/proc/self/fd').length;
  const run = () => startChild({ command: process.execPath, args: ['-e', ''], cwd: process.cwd(), env: process.env, silenceMs: 20_000, onEvent() {}, onLog() {} }).exited;
  await run();
  const before = open();
  for (let i = 0; i < 3; i++) await run();
  t.equal(open(), before);
});
