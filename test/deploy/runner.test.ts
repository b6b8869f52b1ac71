import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import t from 'tap';

const runner = resolve(import.meta.dirname, '../run.ts');

async function run(...args: string[]): Promise<{ status: number; output: string; last: string }> {
  const child = spawn(process.execPath, [runner, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => { output += text; });
  const [status] = await once(child, 'close') as [number];
  return { status, output, last: output.trimEnd().split('\n').at(-1)! };
}

t.test('its last line and its status fit what ran', async (t) => {
  const dir = t.testdir({
    'good.test.ts': `import t from 'tap'; t.test('a', async (t) => { t.ok(true); }); t.test('b', { skip: 'not here' }, async () => {});`,
    'bad.test.ts': `import t from 'tap'; t.test('the bad one', async (t) => { t.equal(1, 2); }); t.pass('fine');`,
    'empty.test.ts': `export {};`,
    'crash.test.ts': `import t from 'tap'; t.pass('before'); throw new Error('the crash');`,
    'leaves.test.ts': `import t from 'tap'; import { spawn } from 'node:child_process'; spawn('/bin/sleep', ['30'], { stdio: 'ignore' }).unref(); t.pass('done');`,
  });
  const file = (name: string): string => join(dir, `${name}.test.ts`);
  t.match(await run(file('good')), { status: 0, last: /^1 passed, 0 failed, 1 skipped$/, output: /skipped: .*not here/ });
  const mixed = await run(file('good'), file('bad'));
  t.match(mixed, { status: 1, last: /^2 passed, 1 failed, 1 skipped$/ });
  t.match(mixed.output, /the bad one[^]*diff/, 'failures are shown whole');
  t.match(await run(file('empty')), { status: 1, last: /^0 passed, 1 failed$/ });
  t.match(await run(file('crash')), { status: 1, output: /the crash/ });
  t.match(await run(file('leaves')), { status: 1, output: /left processes behind: \d+ \/bin\/sleep 30/ });
});

t.test('what it does not know is told', async (t) => {
  t.match(await run('--fast'), { status: 2, output: /--fast: no such option/ });
  t.match(await run('test/none.test.ts'), { status: 2, output: /no such file/ });
});
