import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { delimiter, join } from 'node:path';
import t from 'tap';
import { isExecutable } from '../support/executable.ts';

t.setTimeout(240_000);
const folder = import.meta.dirname;
const runner = (process.env['PATH'] ?? '').split(delimiter).map((path) => join(path, 'connectconformance')).find(isExecutable);

t.test("Connect's conformance suite", { skip: runner === undefined ? 'connectconformance is not on PATH (test/conformance/install.sh prints where it installs it)' : false }, async (t) => {
  const args = ['--mode', 'server', '--conf', join(folder, 'config.yaml'), '--known-failing', `@${join(folder, 'known-failing.txt')}`, '--max-servers', '2', '--parallel', '4'];
  const child = spawn(runner!, [...args, '--', process.execPath, join(folder, 'server.ts')], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(() => void child.kill());
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const [code] = (await once(child, 'close')) as [number | null];
  const [, passed = '0', failed = '?'] = /(\d+) passed, (\d+) failed/.exec(output) ?? [];
  t.equal(code, 0, output.slice(-5_000));
  t.equal(failed, '0');
  // A config that leaves out too much would pass as well.
  t.ok(Number(passed) > 2_500, `${passed} cases passed`);
  t.comment(`${passed} cases passed`);
});
