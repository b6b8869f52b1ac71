import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nkeys } from '@nats-io/transport-node';
import t from 'tap';
import { loadConfig } from '../../core/config.ts';
import { connectNats, requireRole } from '../../core/nats.ts';
import { startGuardedNats } from '../support/guarded-nats.ts';
import { startNats } from '../support/nats.ts';

const seedOf = (pair: ReturnType<typeof nkeys.createUser>): string => new TextDecoder().decode(pair.getSeed());
const seed = seedOf(nkeys.createUser());
const good = { role: 'agent', id: 'gpu-1', seed };

t.test('a credentials file says who a process is', async (t) => {
  const file = join(t.testdir(), 'agent.json');
  writeFileSync(file, JSON.stringify(good), { mode: 0o600 });
  t.match(loadConfig({ FORGE_NATS_CREDENTIALS: file, FORGE_WORKER_ID: '' }), { workerId: 'gpu-1', natsCredentials: file });
  t.notOk(JSON.stringify(loadConfig({ FORGE_NATS_CREDENTIALS: file })).includes(seed), 'the settings do not hold the seed');
  t.throws(() => loadConfig({ FORGE_NATS_CREDENTIALS: file, FORGE_WORKER_ID: 'gpu-2' }), { message: /FORGE_WORKER_ID: is "gpu-2", and FORGE_NATS_CREDENTIALS is of "gpu-1": leave FORGE_WORKER_ID empty/ });
  t.throws(() => requireRole({ natsCredentials: file }, 'gateway'), { code: 'invalid_argument', message: /is of agent gpu-1, and here those of gateway are needed/ });
  t.doesNotThrow(() => requireRole({ natsCredentials: file }, 'agent'));
  chmodSync(file, 0o640);
  t.equal(loadConfig({ FORGE_NATS_CREDENTIALS: file }).workerId, 'gpu-1', 'a group may read it');
  chmodSync(file, 0o644);
  t.throws(() => loadConfig({ FORGE_NATS_CREDENTIALS: file }), { message: /FORGE_NATS_CREDENTIALS: .*agent\.json is open to every user of this machine \(mode 0644\): chmod 0600/ });
});

t.test('a file that is none is refused by what is wrong, and never shown', async (t) => {
  const dir = t.testdir();
  const bad: Record<string, [string, RegExp]> = {
    'no JSON': [seed, /is no JSON/],
    'no object': ['null', /holds no object/],
    'another field': [JSON.stringify({ ...good, password: 'hidden' }), /has fields that none has: password/],
    'no role': [JSON.stringify({ ...good, role: 'root' }), /names no role: must be one of gateway, guardian, agent, operator/],
    'a bad id': [JSON.stringify({ ...good, id: 'a.b' }), /names no id/],
    'no seed': [JSON.stringify({ ...good, seed: seed.slice(0, -1) }), /holds no seed of a user/],
    'an account’s seed': [JSON.stringify({ ...good, seed: seedOf(nkeys.createAccount()) }), /holds no seed of a user/],
    'a CA that is none': [JSON.stringify({ ...good, ca: 'x' }), /something else than certificates in PEM/],
    'too large': [JSON.stringify({ ...good, ca: 'x'.repeat(300_000) }), /has \d+ bytes and is no credentials file/],
  };
  for (const [what, [text, expected]] of Object.entries(bad)) {
    const file = join(dir, 'bad.json');
    writeFileSync(file, text, { mode: 0o600 });
    let message = '';
    try { loadConfig({ FORGE_NATS_CREDENTIALS: file }); } catch (error) { message = (error as Error).message; }
    t.match(message, expected, what);
    t.notOk(message.includes(seed.slice(4, 20)) || message.includes('hidden'), `${what}: what is in it stays there`);
  }
  t.throws(() => loadConfig({ FORGE_NATS_CREDENTIALS: join(dir, 'none.json') }), { message: /none\.json can’t be read \(ENOENT\); npm run fleet -- add makes such a file/ });
  for (const [env, expected] of [
    [{ FORGE_NATS_CA: join(dir, 'bad.json') }, /FORGE_NATS_CA: .* can’t be read, or holds no certificate/],
    [{ FORGE_NATS_URL: 'http://x' }, /FORGE_NATS_URL: must be URLs/],
    [{ FORGE_NATS_REPLICAS: '2' }, /FORGE_NATS_REPLICAS: must be 1, 3 or 5/],
  ] as const) t.throws(() => loadConfig(env), { message: expected });
});

t.test('who is not let in hears why, at once', async (t) => {
  const guarded = await startGuardedNats(t, [['agent', 'a1']]);
  await t.rejects(connectNats(guarded.url, 'x'), { code: 'permission_denied', message: /asks who this is: set FORGE_NATS_CREDENTIALS/ });
  const file = join(t.testdir(), 'stranger.json');
  writeFileSync(file, JSON.stringify(good), { mode: 0o600 });
  await t.rejects(connectNats({ natsUrl: guarded.url, natsCredentials: file }, 'x'), { code: 'permission_denied', message: /does not take .*stranger\.json: they were revoked, or nats-server has not read them yet/ });
  const open = await startNats(t);
  await t.rejects(connectNats(open.url.replace('nats:', 'tls:'), 'x', undefined, 0), { code: 'unavailable', message: /It speaks no TLS/ }, 'tls is never given up');
});
