import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { findNatsServer } from '../../deploy/local/nats-server.ts';

const root = resolve(import.meta.dirname, '../..');
const setup = join(root, 'deploy/local/setup.mjs');
const { fromPipConfig } = await import(join(root, 'deploy/local/setup/package-index.mjs')) as { fromPipConfig(text: string): Record<string, string> };
const { choosePython, hasNvidiaGpu, requirementsFor } = await import(join(root, 'deploy/local/setup/python-environment.mjs')) as {
  choosePython(found: { name: string; major: number; minor: number; path: string }[]): string | undefined;
  hasNvidiaGpu(root: string, platform: string): Promise<boolean>;
  requirementsFor(trainer: string, nvidiaGpu: boolean): string[];
};

t.test('set-up of what is there does nothing', { timeout: 120_000 }, async (t) => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [setup, '--for', 'test'], { timeout: 110_000 });
  // Each step tells that it begins. That another set-up of this checkout runs at this moment is no step.
  t.same((stdout + stderr).split('\n').filter((line) => line !== '' && !line.startsWith('set-up: another set-up runs')), []);
});

t.test('a wrong purpose is told', async (t) => {
  await t.rejects(promisify(execFile)(process.execPath, [setup, '--for', 'fun']), { code: 1, stderr: /usage: .*start\|quickstart\|test/ });
});

t.test('a Mac with an Intel processor is refused before anything is fetched', async (t) => {
  const mac = 'data:text/javascript,for (const [key, value] of [["platform", "darwin"], ["arch", "x64"]]) Object.defineProperty(process, key, { value });';
  await t.rejects(promisify(execFile)(process.execPath, ['--import', mac, setup, '--for', 'start']), { code: 1, stderr: /^set-up: Macs with an Intel processor are not supported: [^\n]+\n$/ });
});

t.test('of several Pythons the first that all packages are made for', (t) => {
  const python = (minor: number, major = 3) => ({ name: 'python', major, minor, path: `/${major}.${minor}` });
  t.equal(choosePython([python(15), python(10), python(13), python(12)]), '/3.13');
  t.equal(choosePython([python(10), python(15), python(16)]), '/3.15', 'a newer one is better than none');
  t.equal(choosePython([python(10), python(7, 2)]), undefined);
  t.end();
});

t.test('a GPU of NVIDIA adds the packages for it, on Linux', async (t) => {
  const dir = t.testdir({ bin: {} });
  const path = process.env['PATH'];
  t.teardown(() => { process.env['PATH'] = path; });
  const driver = (script: string): void => writeFileSync(join(dir, 'bin/nvidia-smi'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  process.env['PATH'] = `${join(dir, 'bin')}:${path}`;
  driver('echo "GPU 0: NVIDIA H200 (UUID: x)"');
  t.equal(await hasNvidiaGpu(root, 'linux'), true);
  t.equal(await hasNvidiaGpu(root, 'darwin'), false);
  driver('echo "NVIDIA-SMI has failed"; exit 9');
  t.equal(await hasNvidiaGpu(root, 'linux'), false);
  driver('exit 0');
  t.equal(await hasNvidiaGpu(root, 'linux'), false, 'a driver without a GPU');
  const trainer = join(root, 'gpu-agent/trainer');
  for (const file of requirementsFor(trainer, true)) t.ok(existsSync(file), file);
  t.equal(requirementsFor(trainer, true).length, 2);
  t.same(requirementsFor(trainer, false), [join(trainer, 'requirements.txt')]);
});

t.test('without git or Python it says what to install', async (t) => {
  const dir = t.testdir({ bin: {} });
  const env = { PATH: join(dir, 'bin') };
  await t.rejects(promisify(execFile)(process.execPath, [setup, '--for', 'start'], { env }), { code: 1, stderr: /git is needed/ });
});

t.test('what pip is told, uv is told: later sections win, and what is not there is not set', (t) => {
  t.same(fromPipConfig([
    "global.index-url='https://mirror.example/simple'",
    "global.timeout='60'",
    "install.index-url='https://install.example/simple'",
    ":env:.cert='/etc/ca.pem'",
    ":env:.find-links='/wheels /more'",
    "global.trusted-host='mirror.example'",
    "freeze.timeout='1'",
  ].join('\n')), {
    UV_DEFAULT_INDEX: 'https://install.example/simple',
    UV_HTTP_TIMEOUT: '60',
    SSL_CERT_FILE: '/etc/ca.pem',
    UV_FIND_LINKS: '/wheels,/more',
    UV_INSECURE_HOST: 'mirror.example',
  });
  t.same(fromPipConfig(''), {});
  t.end();
});

t.test('nats-server on PATH is taken when it is new enough', (t) => {
  const dir = t.testdir();
  const fake = (name: string, version: string): string => {
    mkdirSync(join(dir, name));
    writeFileSync(join(dir, name, 'nats-server'), `#!/bin/sh\necho "nats-server: v${version}"\n`, { mode: 0o755 });
    return join(dir, name);
  };
  const [old, recent] = [fake('old', '2.10.22'), fake('recent', '2.12.0')];
  t.match(findNatsServer(root, recent), { command: join(recent, 'nats-server'), version: '2.12.0' });
  t.match(findNatsServer(root, `${old}:${recent}`), { version: '2.12.0' });
  t.match(findNatsServer(root, old).command, join(root, '.venv'), 'an old one is passed over');
  t.throws(() => findNatsServer(dir, old), /2\.12 or newer is needed.*old.*2\.10\.22/);
  t.end();
});

t.test('a command of the set-up is told while it runs, and not when it has ended', async (t) => {
  const { onWorkers, run } = await import(join(root, 'deploy/local/setup/run-command.mjs')) as {
    onWorkers(listener: (workers: { pid: number; started: string }[]) => void): void;
    run(command: string, args: string[], options: { cwd: string }): Promise<{ stdout: string }>;
  };
  const told: { pid: number; started: string }[][] = [];
  onWorkers((workers) => told.push(workers));
  const { stdout } = await run('/bin/sh', ['-c', 'echo $$'], { cwd: root });
  t.match(told, [[], [{ pid: Number(stdout), started: /./ }], []]);
});
