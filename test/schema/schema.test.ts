import { execFile } from 'node:child_process';
import { cp, glob, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import t, { type Test } from 'tap';

t.setTimeout(60_000);
const root = resolve(import.meta.dirname, '../..');
const bin = join(root, 'node_modules/.bin');

/** Runs buf; `output` holds what it found wrong. */
function buf(cwd: string, ...args: string[]): Promise<{ status: number; output: string }> {
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH']}` };
  return new Promise((resolve) => {
    const child = execFile(join(bin, 'buf'), args, { cwd, env, timeout: 50_000 }, (_error, stdout, stderr) => resolve({ status: child.exitCode ?? -1, output: stdout + stderr }));
  });
}

async function temporaryFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'forge-schema-'));
  t.teardown(() => rm(folder, { recursive: true }));
  return folder;
}

// The image is what is deployed and stored: after an addition, `buf build proto --exclude-source-info -o proto/image.binpb`.
const image = join(root, 'proto/image.binpb');

t.test('buf lint', async (t) => {
  t.same(await buf(root, 'lint', 'proto'), { status: 0, output: '' });
});

t.test('buf breaking against the committed image', async (t) => {
  t.same(await buf(root, 'breaking', 'proto', '--against', image), { status: 0, output: '' });
});

t.test('buf breaking notices a removed field, a changed type and a changed name', async (t) => {
  for (const [file, from, to, found] of [
    ['job.proto', '  string project_name = 1;\n', '', /field "1" .*was deleted/],
    ['events.proto', 'string command_id = 4;', 'uint32 command_id = 4;', /Field "4" .*changed type/],
    ['job.proto', 'double progress = 3;', 'double percent = 3;', /Field "3" .*changed name/],
  ] as const) {
    const folder = await temporaryFolder(t);
    await cp(join(root, 'proto'), join(folder, 'proto'), { recursive: true });
    await cp(join(root, 'buf.yaml'), join(folder, 'buf.yaml'));
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    const path = join(folder, 'proto/aiforge/v1', file);
    const text = await readFile(path, 'utf8');
    t.ok(text.includes(from), `${file} has what is changed`);
    await writeFile(path, text.replace(from, to));
    const { status, output } = await buf(folder, 'breaking', 'proto', '--against', image);
    t.equal(status, 100, output);
    t.match(output, found);
  }
});

t.test('the generated code is that of the protos', async (t) => {
  const folder = await temporaryFolder(t);
  t.same(await buf(root, 'generate', '-o', folder), { status: 0, output: '' });
  const list = async (base: string): Promise<string[]> => (await Array.fromAsync(glob('**/*.ts', { cwd: base }))).sort();
  const fresh = await list(join(folder, 'core/gen'));
  t.same(await list(join(root, 'core/gen')), fresh);
  for (const file of fresh) {
    const [committed, generated] = await Promise.all([readFile(join(root, 'core/gen', file), 'utf8'), readFile(join(folder, 'core/gen', file), 'utf8')]);
    t.ok(committed === generated, `core/gen/${file} is up to date (buf generate)`);
  }
});
