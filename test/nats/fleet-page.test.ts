import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import t from 'tap';
import { settings } from '../../core/config.ts';

t.setTimeout(120_000);
const root = resolve(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/fleet.md'), 'utf8');
const commands = [...page.matchAll(/^```sh\n([^]*?)^```$/gm)].flatMap(([, block]) => block!.replaceAll(/\\\n\s*/g, '').trim().split('\n'));

t.test('the commands of the page "from one machine to ten" work, one after the other', async (t) => {
  const dir = join(t.testdir(), 'nats');
  const [script, , ...hosts] = commands.find((command) => command.includes('make-certificates'))!.split(' ');
  execFileSync(join(root, script!), [join(dir, 'certificates'), ...hosts], { stdio: 'ignore' });
  cpSync(join(dir, 'certificates', hosts[0]!), join(dir, 'tls'), { recursive: true });
  const fleet = commands.filter((command) => command.startsWith('npm run fleet -- '));
  t.ok(fleet.length >= 9, `${fleet.length} commands`);
  for (const command of fleet) {
    const args = command.slice('npm run fleet -- '.length).split(' ');
    const { status, stderr } = spawnSync(process.execPath, [join(root, 'deploy/nats/fleet.ts'), ...args, '--dir', dir], { encoding: 'utf8', timeout: 60_000 });
    t.equal(status, 0, `${command} ${stderr}`);
  }
});

t.test('what the page names is there', async (t) => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
  for (const [, name] of page.matchAll(/npm run ([a-z]+)/g)) t.ok(Object.hasOwn(scripts, name!), `npm run ${name}`);
  const compose = readFileSync(join(root, 'deploy/compose/compose.yaml'), 'utf8');
  for (const [name] of page.matchAll(/FORGE_[A-Z_]+/g)) t.ok(settings.some(({ key }) => key === name) || compose.includes(`\${${name}:`), name);
  for (const [unit] of page.matchAll(/ai-forge-[a-z]+(?= |`|\))/g)) t.ok(readFileSync(join(root, `deploy/systemd/${unit}.service`), 'utf8'), unit);
});
