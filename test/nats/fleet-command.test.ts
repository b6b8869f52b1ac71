import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { connectNats } from '../../core/nats.ts';
import { readNatsCredentials } from '../../core/nats-credentials.ts';
import { lastingPort, natsBinary } from '../support/nats.ts';

t.setTimeout(240_000);
const root = resolve(import.meta.dirname, '../..');

/** `npm run fleet` without npm. */
function fleet(dir: string, ...args: string[]): Promise<{ status: number; out: string; err: string }> {
  return new Promise((done) => {
    const child = execFile(process.execPath, [join(root, 'deploy/nats/fleet.ts'), ...args, '--dir', dir], { timeout: 60_000 }, (_error, out, err) => done({ status: child.exitCode ?? -1, out, err }));
  });
}

/** @returns resolves with the next line of its log that fits */
async function startServer(t: Test, config: string): Promise<(pattern: RegExp) => Promise<string>> {
  const server = spawn(natsBinary(), ['-c', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  const lines = createInterface({ input: server.stderr });
  t.teardown(async () => {
    if (server.exitCode !== null) return;
    const gone = once(server, 'exit');
    server.kill('SIGKILL');
    await gone;
  });
  const next = async (pattern: RegExp): Promise<string> => {
    const found = Promise.withResolvers<string>();
    const look = (line: string): void => { if (pattern.test(line)) found.resolve(line); };
    lines.on('line', look);
    server.once('exit', (code) => found.reject(new Error(`nats-server ended with ${code}`)));
    return found.promise.finally(() => lines.off('line', look));
  };
  await next(/Server is ready/);
  return next;
}

t.test('from nothing to an agent that joins over TLS, and is revoked, by commands', async (t) => {
  const dir = join(t.testdir(), 'nats');
  const port = await lastingPort();
  mkdirSync(dir);
  execFileSync(join(root, 'deploy/nats/make-certificates.sh'), [join(dir, 'made'), 'localhost'], { stdio: 'ignore' });
  t.match(await fleet(dir, 'server', '--listen', '0.0.0.0:4222'), { status: 1, err: /ca\.pem, server\.pem, server-key\.pem missing in .*tls: other hosts are spoken to by TLS alone/ });
  t.notOk(existsSync(join(dir, 'nats-server.conf')), 'nothing is written then');
  cpSync(join(dir, 'made', 'localhost'), join(dir, 'tls'), { recursive: true });
  const cluster = 'n1=n1.example.org:6222,n2=n2.example.org:6222,n3=n3.example.org:6222';
  t.match(await fleet(dir, 'server', '--listen', '0.0.0.0:4222', '--store', join(dir, 'store'), '--name', 'n2', '--cluster', cluster), { status: 0, out: /nats-server finds nothing wrong with it/ }, 'a node of a cluster');
  t.match(readFileSync(join(dir, 'nats-server.conf'), 'utf8'), /sync_interval: always[^]*cluster \{[^]*"nats:\/\/n1\.example\.org:6222"\n *"nats:\/\/n3\.example\.org:6222"[^]*verify: true/);
  t.match(await fleet(dir, 'server', '--listen', `127.0.0.1:${port}`, '--store', join(dir, 'store')), { status: 0, out: /nats-server finds nothing wrong with it/ });
  t.match((await fleet(dir, 'add', 'agent', 'gpu-1')).out, /No nats-server runs here on .*: bring accounts\.conf to each node/);
  const log = await startServer(t, join(dir, 'nats-server.conf'));

  const file = join(dir, 'agent-gpu-1.json');
  t.equal(statSync(file).mode & 0o777, 0o600);
  const { seed, ca } = readNatsCredentials(file);
  t.match(ca, /BEGIN CERTIFICATE/, 'the credentials hold the authority’s certificate, so that an agent needs nothing else');
  const url = `tls://localhost:${port}`;
  const agent = await connectNats({ natsUrl: url, natsCredentials: file }, 'gpu-1', '_INBOX.gpu-1');
  t.teardown(() => agent.close());
  await t.rejects(connectNats({ natsUrl: url }, 'x', undefined, 0), { message: /Its certificate is refused \(.*\): name the authority’s with FORGE_NATS_CA/ }, 'nobody speaks to a server whose certificate they do not know');

  const reloaded = log(/Reloaded/);
  const added = await fleet(dir, 'add', 'gateway', 'g1');
  t.match(added, { status: 0, out: /nats-server \(process \d+\) reads .*accounts\.conf now/ });
  await reloaded;
  const gateway = await connectNats({ natsUrl: url, natsCredentials: join(dir, 'gateway-g1.json') }, 'deploy-g1');
  t.teardown(() => gateway.close());
  t.match(await fleet(dir, 'add', 'agent', 'gpu-1'), { status: 1, err: /agent gpu-1 has credentials: revoke them first/ });
  const listed = await fleet(dir, 'list');
  t.match(listed.out, /^agent +gpu-1 +U[A-Z0-9]{55}  created .*\ngateway +g1 +U[A-Z0-9]{55}  created .*\n$/);

  const closed = agent.closed();
  t.match(await fleet(dir, 'revoke', 'agent', 'gpu-1'), { status: 0, out: /revoked 20/ });
  t.match(await closed, /Authorization/i);
  t.notOk(gateway.isClosed(), 'the others stay');
  for (const text of [added.out, listed.out, readFileSync(join(dir, 'accounts.conf'), 'utf8'), readFileSync(join(dir, 'identities.json'), 'utf8')]) t.notOk(text.includes(seed), 'the seed is in the credentials alone');
});

t.test('what is wrong is said, with nothing changed', async (t) => {
  const dir = join(t.testdir(), 'nats');
  for (const [args, expected] of [
    [[], /a command is missing\nusage/],
    [['remove'], /"remove" is no command\nusage/],
    [['add', 'root', 'x'], /"root" is no role: must be one of gateway, guardian, agent, operator/],
    [['add', 'agent', 'a.b'], /agent needs an id of letters.*not "a\.b"/],
    [['add', 'agent', 'guardian'], /"guardian" is the name of another part of AI Forge/],
    [['add', 'guardian', 'x'], /A guardian has no id/],
    [['revoke', 'agent', 'nobody'], /There is no agent nobody with credentials/],
    [['list', '--out', 'x'], /list takes no --out/],
    [['server', '--name', 'n1', '--cluster', 'n1=a:1,n2=b:2'], /--cluster: must name 3 or 5 different nodes/],
  ] as const) t.match(await fleet(dir, ...args), { status: 1, out: '', err: expected }, args.join(' '));
  t.notOk(existsSync(join(dir, 'identities.json')));
});
