import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import t, { type Test } from 'tap';
import { isAlive, readLock } from '../../deploy/local/pid-lock.mjs';
import { makeFolder, makeRepository } from '../support/repository.ts';

const root = resolve(import.meta.dirname, '../..');

/** `npm run quickstart -- <repository>` with a short pre-training, and a data directory of its own. */
function quickstart(t: Test, repository: string, dataDir: string) {
  const base = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('FORGE_') && !key.startsWith('npm_')));
  const env = { ...base, FORGE_DATA_DIR: dataDir, FORGE_PORT: '0', FORGE_INFERENCE: 'embedded', FORGE_STARTER_SECONDS: '5', HF_HUB_OFFLINE: '1' };
  const child = spawn('npm', ['run', '--silent', 'quickstart', '--', repository], { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  let wake = (): void => {};
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => { text += chunk; wake(); });
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string);
  void ended.then(() => wake());
  t.teardown(async () => {
    child.kill('SIGKILL');
    const owner = readLock(join(dataDir, 'lock'));
    if (owner !== undefined && isAlive(owner)) process.kill(owner.pid, 'SIGKILL');
    await ended;
  });
  return {
    child, ended,
    output: () => text,
    async until(pattern: RegExp): Promise<void> {
      while (!pattern.test(text)) {
        if (child.exitCode !== null) throw new Error(`ended before ${String(pattern)}:\n${text}`);
        await new Promise<void>((done) => { wake = done; });
      }
    },
  };
}

/** Some of this project's own sources: enough to train on, quick to go through. */
async function smallRepository(t: Test): Promise<string> {
  const files = Object.fromEntries(globSync(['core/**/*.ts', 'gateway/rest/*.ts', 'guardian/**/*.ts'], { cwd: root, exclude: ['core/gen/**'] }).map((file) => [file, readFileSync(join(root, file))]));
  return makeRepository(t, files);
}

t.test('trains, evaluates, deploys, asks, prints what it measured, and leaves the service running', { timeout: 900_000 }, async (t) => {
  const dataDir = join(await makeFolder(t), 'data');
  const run = quickstart(t, await smallRepository(t), dataDir);
  t.equal(await run.ended, 0, run.output());
  for (const said of [
    /Hugging Face cannot be reached \(HF_HUB_OFFLINE is set\): taking the built-in starter model/,
    /step \d+\/\d+ +epoch [\d.]+ +loss [\d.]+ +[\d,]+ tokens\/s .* left/,
    /held-out perplexity +[\d.]+ tuned, [\d.]+ base/,
    /margin +-?[\d.]+ % lower .*95 % of a paired bootstrap: -?[\d.]+ % to -?[\d.]+ %/,
    /answering +\d+ tokens in [\d.]+ s/,
    /:latest serves \(.*model\.gguf\)/,
  ]) t.match(run.output(), said);

  const url = /AI Forge runs on (\S+)/.exec(run.output())?.[1];
  const model = /Asking (\S+:latest):/.exec(run.output())?.[1];
  const models = await (await fetch(`${url}/v1/models`)).json() as { data: { id: string }[] };
  t.ok(models.data.some(({ id }) => id === model), 'the service goes on, with the model');

  const owner = readLock(join(dataDir, 'lock'))!;
  const stop = spawn('npm', ['--silent', 'stop'], { cwd: root, env: { ...process.env, FORGE_DATA_DIR: dataDir }, stdio: 'ignore' });
  t.equal((await once(stop, 'close'))[0], 0);
  t.notOk(isAlive(owner), 'and ends by npm stop');
});

for (const signal of ['SIGINT', 'SIGKILL'] as const) {
  t.test(`${signal} in the middle ends all that it started`, { timeout: 300_000 }, async (t) => {
    const dataDir = join(await makeFolder(t), 'data');
    const run = quickstart(t, await smallRepository(t), dataDir);
    await run.until(/preparing: pretraining/);
    const owner = readLock(join(dataDir, 'lock'))!;
    t.ok(isAlive(owner));
    const pids = [owner.pid, ...Object.values(owner['services'] as Record<string, number>)];
    run.child.kill(signal);
    t.equal(await run.ended, signal === 'SIGINT' ? 130 : 'SIGKILL');
    for (const end = performance.now() + 15_000; pids.some((pid) => isAliveProcess(pid)) && performance.now() < end; ) await new Promise((resolve) => setTimeout(resolve, 50));
    t.notOk(pids.some((pid) => isAliveProcess(pid)), 'nothing is left');
  });
}

function isAliveProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
