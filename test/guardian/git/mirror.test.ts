import { randomBytes } from 'node:crypto';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import t from 'tap';
import { silentLogger } from '../../../core/logger.ts';
import { createMirrors, type MirrorOptions, type Mirrors } from '../../../guardian/git/mirror.ts';
import { startGitServer, writeGitHome } from '../../support/git-https-server.ts';
import { commitFiles, git, makeFolder, makeRepository } from '../../support/repository.ts';

const credential = { user: 'me', password: 'hunter2' };
const root = await makeFolder(t);
const home = await makeFolder(t);
const server = await startGitServer(t, root, credential);
await writeGitHome(home, server, credential);
process.env['HOME'] = home;
delete process.env['XDG_CONFIG_HOME'];

const live = new AbortController().signal;
const refusal = (work: Promise<unknown>): Promise<unknown> => work.then(() => 'it was not refused', (error: unknown) => error);
const refs = (repository: string): Promise<string> => git(repository, 'for-each-ref', '--format=%(refname) %(objectname)');

async function mirrorsIn(t: Parameters<typeof makeFolder>[0], more: Partial<MirrorOptions> = {}): Promise<{ mirrors: Mirrors; directory: string }> {
  const directory = join(await makeFolder(t), 'mirrors');
  return { mirrors: createMirrors({ directory, maxBytes: 64 << 20, timeoutMs: 60_000, logger: silentLogger, ...more }), directory };
}

t.test('a mirror follows its remote: new commits, forced and deleted branches, tags, HEAD', async (t) => {
  const origin = await makeRepository(t, { 'a.txt': '1\n' }, join(root, 'shop'));
  const url = `${server.url}/shop/.git`;
  const { mirrors, directory } = await mirrorsIn(t);
  await git(origin, 'tag', '-a', 'v1', '-m', 'First');
  await git(origin, 'branch', 'topic');
  await git(origin, 'update-ref', 'refs/pull/1/head', 'HEAD');

  const place = await mirrors.ensure(url, live);
  t.equal(place, mirrors.path(url));
  t.match(basename(place), /^[0-9a-f]{64}\.git$/);
  const shown = async () => (await refs(origin)).split('\n').filter((line) => !line.startsWith('refs/pull/')).join('\n');
  t.equal(await refs(place), await shown());
  t.equal(await git(place, 'rev-parse', 'HEAD'), await git(origin, 'rev-parse', 'HEAD'));
  t.equal(await git(place, 'rev-parse', '--is-bare-repository'), 'true');

  await commitFiles(origin, { 'a.txt': '2\n' });
  await git(origin, 'branch', '--delete', 'topic');
  await git(origin, 'branch', 'topic/deeper');
  await git(origin, 'tag', '--force', 'v1');
  t.equal(await mirrors.ensure(url, live), place);
  t.equal(await refs(place), await shown(), 'new commit, branch that took a folder\'s name, tag that moved');

  await git(origin, 'commit', '--quiet', '--amend', '-m', 'Rewritten');
  await git(origin, 'checkout', '--quiet', '-b', 'trunk');
  await git(origin, 'branch', '--quiet', '-D', 'main');
  await mirrors.ensure(url, live);
  t.equal(await refs(place), await shown(), 'history that was rewritten');
  t.equal(await git(place, 'symbolic-ref', 'HEAD'), 'refs/heads/trunk', 'another default branch');
  await git(origin, 'checkout', '--quiet', '--detach');
  await mirrors.ensure(url, live);
  t.equal(await git(place, 'rev-parse', 'HEAD'), await git(origin, 'rev-parse', 'HEAD'));

  t.same(await readdir(directory), [basename(place)]);
  await mirrors.remove(url);
  await mirrors.remove(url);
  t.same(await readdir(directory), []);
});

t.test('an empty repository, one of SHA-256, and several calls at once', async (t) => {
  await makeRepository(t, {}, join(root, 'empty'));
  const { mirrors } = await mirrorsIn(t);
  t.equal(await refs(await mirrors.ensure(`${server.url}/empty/.git`, live)), '');
  const long = join(root, 'long');
  await git(root, 'init', '--quiet', '--object-format=sha256', long);
  const commit = await commitFiles(long, { 'a.txt': '1\n' });
  const url = `${server.url}/long/.git`;
  const places = await Promise.all([1, 2, 3].map(() => mirrors.ensure(url, live)));
  t.same(places, Array(3).fill(mirrors.path(url)));
  t.equal(await git(places[0]!, 'rev-parse', 'HEAD'), commit);
});

t.test('credentials come from the user\'s own helper', async (t) => {
  await mkdir(join(root, 'private'), { recursive: true });
  const origin = await makeRepository(t, { 'a.txt': 'secret\n' }, join(root, 'private/shop'));
  const url = `${server.url}/private/shop/.git`;
  const { mirrors, directory } = await mirrorsIn(t);
  t.equal(await refs(await mirrors.ensure(url, live)), await refs(origin));
  t.ok(server.requests.some(({ path, authorization }) => path.startsWith('/private/') && authorization !== undefined));
  await mirrors.remove(url);

  await writeGitHome(home, server, { ...credential, password: 'wrong-one' });
  t.teardown(() => writeGitHome(home, server, credential));
  const refused = await refusal(mirrors.ensure(url, live));
  t.match(refused, { code: 'unavailable', field: 'url', message: /^url: git could not fetch https:.*Authentication failed.*git ls-remote/s });
  t.notMatch(String(refused), /wrong-one|hunter2/);
  t.same(await readdir(directory), [], 'and nothing is left');
});

t.test('what a server may not do', async (t) => {
  const { mirrors, directory } = await mirrorsIn(t);
  t.match(await refusal(mirrors.ensure(`${server.url}/none/.git`, live)), { code: 'unavailable', message: /not found/ });
  t.match(await refusal(mirrors.ensure(`${server.url}/moved/shop`, live)), { code: 'unavailable', message: /could not fetch/ }, 'lead to a file');
  await writeFile(join(home, '.gitconfig'), `[http]\n sslCAInfo = ${server.certificate}\n[url "file://${root}/"]\n insteadOf = ${server.url}/\n`);
  t.teardown(() => writeGitHome(home, server, credential));
  t.match(await refusal(mirrors.ensure(`${server.url}/shop/.git`, live)), { code: 'unavailable', message: /transport 'file' not allowed/ });
  await writeFile(join(home, '.gitconfig'), '');
  t.match(await refusal(mirrors.ensure(`${server.url}/shop/.git`, live)), { code: 'unavailable', message: /certificate/ }, 'be trusted without a reason');
  const before = server.requests.length;
  t.match(await refusal(mirrors.ensure('https://me:hunter2@127.0.0.1/shop', live)), { code: 'invalid_argument', field: 'url' });
  t.match(await refusal(mirrors.remove(`file://${root}/shop`)), { code: 'invalid_argument', field: 'url' });
  t.equal(server.requests.length, before);
  t.same(await readdir(directory), []);
});

t.test('ssh runs without asking, and with nothing of the URL as an option', async (t) => {
  // Stands in for ssh: notes how it was called, and runs here what it should have run there.
  const tools = await makeFolder(t);
  await writeFile(join(tools, 'ssh'), `#!/bin/sh\nprintf '%s\\n' "$@" >> '${tools}/called'\nfor last; do :; done\nexec sh -c "$last"\n`, { mode: 0o755 });
  const before = process.env['PATH'];
  t.teardown(() => (process.env['PATH'] = before));
  process.env['PATH'] = `${tools}:${before}`;
  const origin = await makeRepository(t, { 'a.txt': '1\n' }, join(root, 'by-ssh'));
  await writeFile(join(home, '.gitconfig'), '[safe]\n directory = *\n');
  t.teardown(() => writeGitHome(home, server, credential));
  const { mirrors } = await mirrorsIn(t);
  for (const url of [`ssh://me@host.test:2222${origin}/.git`, `me@host.test:${origin}/.git`]) {
    t.equal(await refs(await mirrors.ensure(url, live)), await refs(origin));
    const called = (await readFile(join(tools, 'called'), 'utf8')).split('\n');
    t.ok(called.includes('-oBatchMode=yes'));
    t.ok(called.includes('me@host.test'));
  }
});

t.test('what is too large is refused, and what was there stays', async (t) => {
  const origin = await makeRepository(t, { 'a.txt': '1\n' }, join(root, 'large'));
  const url = `${server.url}/large/.git`;
  const { mirrors, directory } = await mirrorsIn(t, { maxBytes: 4 << 20, lookMs: 5 });
  const place = await mirrors.ensure(url, live);
  const small = await refs(place);
  await commitFiles(origin, { 'big.bin': randomBytes(24 << 20) });
  t.match(await refusal(mirrors.ensure(url, live)), { code: 'too_large', field: 'url', message: /larger than 4194304 bytes/ });
  t.equal(await refs(place), small);
  t.notOk((await readdir(join(place, 'objects/pack'))).some((name) => name.startsWith('tmp_')), 'half a pack is removed');
  await mirrors.remove(url);
  t.match(await refusal(mirrors.ensure(url, live)), { code: 'too_large' });
  t.same(await readdir(directory), []);
});

t.test('a server that never answers, and a caller that goes away', async (t) => {
  const { mirrors, directory } = await mirrorsIn(t, { timeoutMs: 1_500 });
  const url = `${server.url}/silent/shop`;
  t.match(await refusal(mirrors.ensure(url, live)), { code: 'deadline_exceeded', field: 'url', message: /within 1500 ms/ });
  const stopped = new Error('stopped');
  const caller = new AbortController();
  const asked = server.requests.length;
  const waiting = refusal(mirrors.ensure(url, caller.signal));
  const poll = setInterval(() => server.requests.length > asked && caller.abort(stopped), 10);
  t.equal(await waiting, stopped);
  clearInterval(poll);
  t.same(await readdir(directory), []);
});

t.test('what a crash left is swept', async (t) => {
  await makeRepository(t, { 'a.txt': '1\n' }, join(root, 'swept'));
  const url = `${server.url}/swept/.git`;
  const { mirrors, directory } = await mirrorsIn(t);
  const place = await mirrors.ensure(url, live);
  await mkdir(join(directory, `${'a'.repeat(64)}.git.partial/objects`), { recursive: true });
  await writeFile(join(place, 'objects/pack/tmp_pack_x'), 'half');
  const again = createMirrors({ directory, maxBytes: 64 << 20, timeoutMs: 60_000, logger: silentLogger });
  await again.ensure(url, live);
  t.same(await readdir(directory), [basename(place)]);
  t.notOk((await readdir(join(place, 'objects/pack'))).includes('tmp_pack_x'));
});
