import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import t from 'tap';
import { startForge } from './support/local-forge.ts';

t.setTimeout(240_000);
const root = resolve(import.meta.dirname, '../..');

/** `npm run keys` without npm. */
function keys(env: NodeJS.ProcessEnv, ...args: string[]): Promise<{ status: number; out: string; err: string }> {
  const base = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('FORGE_')));
  return new Promise((done) => {
    const child = execFile(process.execPath, [join(root, 'deploy/local/keys.ts'), ...args], { cwd: root, env: { ...base, ...env }, timeout: 30_000 }, (_error, out, err) => done({ status: child.exitCode ?? -1, out, err }));
  });
}

t.test('the first key is made by the command line, on the service that runs', async (t) => {
  const env = { FORGE_DATA_DIR: join(t.testdir(), 'data') };
  t.match(await keys(env, 'list'), { status: 1, err: /^No AI Forge runs on .*: start it/ });
  for (const args of [['create', '--name', 'x'], ['create', '--name', 'x', '--scopes', 'all'], ['revoke'], ['list', '--what']]) {
    t.match(await keys(env, ...args), { status: 1, out: '', err: /usage: npm run keys/ }, args.join(' '));
  }

  // Any address of this machine: what keys are for.
  const forge = startForge(t, env.FORGE_DATA_DIR, { FORGE_HOST: '0.0.0.0' });
  const [, port] = await forge.until(/AI Forge is .*:(\d+)/);
  const url = `http://127.0.0.1:${port}`;
  t.match(readFileSync(join(env.FORGE_DATA_DIR, 'logs/gateway.log'), 'utf8'), /API keys are on and there is none/);
  const models = (key?: string) => fetch(`${url}/v1/models`, { headers: key === undefined ? {} : { authorization: `Bearer ${key}` } });
  t.equal((await models()).status, 401);

  const made = await keys(env, 'create', '--name', 'first', '--scopes', 'admin');
  t.equal(made.status, 0, made.err);
  t.match(made.out, /^forge_[0-9a-f]{12}_[A-Za-z0-9_-]{43}\n$/, 'the key alone is on standard output');
  const key = made.out.trim();
  t.equal((await models(key)).status, 200);
  const listed = await fetch(`${url}/v1/api-keys`, { headers: { authorization: `Bearer ${key}` } }).then((response) => response.json()) as { keys: Record<string, unknown>[] };
  const keyId = key.split('_')[1]!;
  t.match(listed.keys, [{ key_id: keyId, name: 'first', scopes: ['admin'] }]);
  t.match((await keys(env, 'list')).out, new RegExp(`^${keyId}  admin .* does not expire  first\n$`));

  t.match(await keys(env, 'revoke', keyId), { status: 0, out: /revoked \d{4}-/ });
  t.match(await keys(env, 'revoke', 'nobody'), { status: 1, err: 'key_id: there is no such key\n' });
  // A key that is made after it shows that the gateway has read so far.
  const second = (await keys(env, 'create', '--name', 'second', '--scopes', 'admin', '--expires-days', '2')).out.trim();
  t.equal((await fetch(`${url}/v1/api-keys`, { headers: { authorization: `Bearer ${second}` } })).status, 200);
  t.equal((await models(key)).status, 401);

  forge.process.kill('SIGTERM');
  t.equal(await forge.ended, 0);
  for (const log of ['gateway', 'guardian', 'agent', 'nats-server']) t.notOk(readFileSync(join(env.FORGE_DATA_DIR, `logs/${log}.log`), 'utf8').includes(key.slice(19)), `${log} has not logged the key`);
});
