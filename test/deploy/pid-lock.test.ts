import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { identify, readLock, takeLock } from '../../deploy/local/pid-lock.mjs';

const modulePath = join(import.meta.dirname, '../../deploy/local/pid-lock.mjs');

/** A process that takes the lock, says whether it got it, and stays until its input ends. */
function holder(path: string) {
  const script = `const { takeLock } = await import(process.argv[1]); const lock = takeLock(process.argv[2]); process.stdout.write(lock.held ? 'held' : 'refused'); process.stdin.resume();`;
  return spawn(process.execPath, ['--input-type=module', '-e', script, modulePath, path], { stdio: ['pipe', 'pipe', 'inherit'] });
}

t.test('one holds it, another is told who', async (t) => {
  const path = join(t.testdir(), 'deep', 'lock');
  const first = takeLock(path, { url: 'http://x' });
  t.ok(first.held);
  const second = takeLock(path);
  t.notOk(second.held);
  t.match(second, { owner: { pid: process.pid, url: 'http://x' } });
  if (first.held) {
    first.update({ url: 'http://y' });
    t.match(readLock(path), { pid: process.pid, url: 'http://y' });
    first.release();
  }
  const third = takeLock(path);
  t.ok(third.held, 'free again');
  t.same(readdirSync(join(t.testdirName, 'deep')), ['lock'], 'nothing lies about');
});

t.test('a lock of a killed process is taken over', async (t) => {
  const path = join(t.testdir(), 'lock');
  const child = holder(path);
  await once(child.stdout, 'data');
  t.notOk(takeLock(path).held, 'while it lives');
  child.kill('SIGKILL');
  await once(child, 'exit');
  t.ok(takeLock(path).held);
});

t.test('a lock whose process is gone counts as long as one that works for it lives', async (t) => {
  const path = join(t.testdir(), 'lock');
  const worker = spawn('/bin/sleep', ['300'], { stdio: 'ignore' });
  t.teardown(() => { worker.kill('SIGKILL'); });
  await once(worker, 'spawn');
  writeFileSync(path, JSON.stringify({ pid: 2 ** 30, started: '', nonce: 'dead', workers: [identify(worker.pid!)] }));
  t.match(takeLock(path), { held: false, owner: { workers: [{ pid: worker.pid }] } });
  worker.kill('SIGKILL');
  await once(worker, 'exit');
  t.ok(takeLock(path).held);
});

t.test('a process id that came round again holds nothing, and half a file holds nothing', async (t) => {
  const path = join(t.testdir(), 'lock');
  writeFileSync(path, JSON.stringify({ pid: process.pid, started: 'another time', nonce: 'x' }));
  t.ok(takeLock(path).held);
  const torn = join(t.testdirName, 'torn');
  writeFileSync(torn, '{"pid":');
  t.ok(takeLock(torn).held);
});

t.test('of many that take over a dead one at once, one gets it', async (t) => {
  const path = join(t.testdir(), 'lock');
  writeFileSync(path, JSON.stringify({ pid: 2 ** 30, started: '', nonce: 'dead' }));
  const racers = Array.from({ length: 8 }, () => holder(path));
  const words = await Promise.all(racers.map(async (racer) => String((await once(racer.stdout, 'data'))[0])));
  for (const racer of racers) racer.stdin.end();
  t.equal(words.filter((word) => word === 'held').length, 1, words.join(' '));
});
