import { createHash } from 'node:crypto';
import { chownSync } from 'node:fs';
import { mkdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import t from 'tap';
import { isForgeError } from '../../core/errors.ts';
import { resolveSource } from '../../guardian/resolve.ts';
import { commitFiles, git, makeFolder, makeRepository } from '../support/repository.ts';

const files = { 'a.txt': 'one\n', 'sub/b.txt': 'two\n' };
const resolve = (projectName: string, projectPath: string, projectRoots: string[]) => resolveSource({ projectName, projectPath }, { projectRoots, timeoutMs: 10_000 });

async function refusal(work: Promise<unknown>): Promise<{ code: string; field: string | undefined; message: string }> {
  try {
    await work;
  } catch (error) {
    if (isForgeError(error)) return { code: error.code, field: error.field, message: error.message };
    throw error;
  }
  throw new Error('it was not refused');
}

t.test('a path names a repository, and HEAD is pinned', async (t) => {
  const root = await makeFolder(t);
  const repository = await makeRepository(t, files, join(root, 'shop'));
  const first = await git(repository, 'rev-parse', 'HEAD');
  t.match(first, /^[0-9a-f]{40}$/);
  for (const path of ['shop', './shop', 'shop/', repository]) t.same(await resolve('any', path, [root]), { repository, commit: first }, path);
  const second = await commitFiles(repository, { 'a.txt': 'more\n' });
  t.not(second, first);
  t.same(await resolve('any', 'shop', [root]), { repository, commit: second }, 'a new commit');
  await git(repository, 'checkout', '--quiet', '--detach', first);
  t.same(await resolve('any', 'shop', [root]), { repository, commit: first }, 'a detached HEAD');
});

t.test('a relative path starts at the first root, an absolute one may lie in any', async (t) => {
  const [one, two] = [await makeFolder(t), await makeFolder(t)];
  await makeRepository(t, files, join(one, 'same'));
  const other = await makeRepository(t, { 'c.txt': 'three\n' }, join(two, 'same'));
  t.equal((await resolve('', 'same', [one, two])).repository, join(one, 'same'));
  t.equal((await resolve('', other, [one, two])).repository, other);
});

t.test('a bare repository and a linked working tree are repositories too', async (t) => {
  const root = await makeFolder(t);
  const repository = await makeRepository(t, files, join(root, 'main'));
  const commit = await git(repository, 'rev-parse', 'HEAD');
  await git(root, 'clone', '--quiet', '--bare', repository, join(root, 'copy.git'));
  await git(repository, 'worktree', 'add', '--quiet', join(root, 'linked'), '-b', 'other');
  t.same(await resolve('', 'copy.git', [root]), { repository: join(root, 'copy.git'), commit });
  t.same(await resolve('', 'linked', [root]), { repository: join(root, 'linked'), commit });
});

t.test('a name is looked for under all roots, then as the name of a root', async (t) => {
  const [one, two] = [await makeFolder(t), await makeFolder(t)];
  const shop = await makeRepository(t, files, join(two, 'shop'));
  t.equal((await resolve('shop', '', [one, two])).repository, shop);
  t.equal((await resolve('shop', '', [shop])).repository, shop, 'the root itself');
  await mkdir(join(shop, 'shop'));
  t.equal((await resolve('shop', '', [shop])).repository, shop, 'a plain folder of that name inside does not hide it');

  const missing = await refusal(resolve('gone', '', [one, two]));
  t.equal(missing.code, 'not_found');
  t.equal(missing.field, 'project_name');
  for (const text of ['"gone"', join(one, 'gone'), join(two, 'gone'), 'FORGE_PROJECT_ROOTS', 'project_path']) t.ok(missing.message.includes(text), `says ${text}`);

  await mkdir(join(one, 'plain'));
  const plain = await refusal(resolve('plain', '', [one, two]));
  t.equal(plain.code, 'not_found');
  t.match(plain.message, /plain is not a git repository/);
  const noRoots = await refusal(resolve('x', '', [join(one, 'none')]));
  t.equal(noRoots.code, 'not_found');
  t.match(noRoots.message, /no project root is there/);
});

t.test('what is not a path inside a root is refused, with the field and the remedy', async (t) => {
  const outside = await makeFolder(t);
  await makeRepository(t, files, join(outside, 'secret'));
  const root = await makeFolder(t);
  await makeRepository(t, files, join(root, 'shop'));
  await symlink(join(outside, 'secret'), join(root, 'link'));
  await symlink(outside, join(root, 'up'));
  await writeFile(join(root, 'notes.txt'), 'x');
  await mkdir(join(root, 'plain'));
  const cases: [path: string, code: string, says: RegExp][] = [
    ['../secret', 'invalid_argument', /must not contain "\.\."/],
    ['shop/../../secret', 'invalid_argument', /must not contain "\.\."/],
    ['shop\\..\\x', 'invalid_argument', /must not contain "\.\."/],
    [join(outside, 'secret'), 'invalid_argument', /outside the project roots.*FORGE_PROJECT_ROOTS/],
    [join(outside, 'not-there'), 'invalid_argument', /outside the project roots/],
    [`${root}-beside`, 'invalid_argument', /outside the project roots/],
    ['/', 'invalid_argument', /outside the project roots/],
    ['link', 'invalid_argument', /outside the project roots/],
    ['up/secret', 'invalid_argument', /outside the project roots/],
    ['shop\0x', 'invalid_argument', /control characters/],
    ['shop\nx', 'invalid_argument', /control characters/],
    ['--upload-pack=x', 'invalid_argument', /begin with a dash/],
    ['x'.repeat(5_000), 'invalid_argument', /at most 4096/],
    ['not-there', 'not_found', /not-there does not exist/],
    ['shop/a.txt/x', 'not_found', /does not exist/],
    ['plain', 'invalid_argument', /not the top folder of a git repository/],
    ['shop/sub', 'invalid_argument', /not the top folder of a git repository/],
    ['shop/.git', 'invalid_argument', /not the top folder of a git repository/],
    ['notes.txt', 'invalid_argument', /ends in \.jsonl/],
  ];
  for (const [path, code, says] of cases) {
    const refused = await refusal(resolve('shop', path, [root]));
    t.equal(refused.code, code, `${JSON.stringify(path.slice(0, 40))}: ${refused.message}`);
    t.equal(refused.field, 'project_path');
    t.match(refused.message, /^project_path: /);
    t.match(refused.message, says);
  }
  for (const name of ['', '..', '.', 'a/b', 'a\\b', '-x', 'a\0b', `../${basename(outside)}`, 'x'.repeat(300)]) {
    const refused = await refusal(resolve(name, '', [root]));
    t.equal(refused.code, 'invalid_argument', JSON.stringify(name.slice(0, 20)));
    t.equal(refused.field, 'project_name');
  }
  const byName = await refusal(resolve('link', '', [root]));
  t.equal(byName.code, 'not_found', 'nor does a name lead out through a link');
});

t.test('a link that stays inside, and a root that is a link, are followed', async (t) => {
  const root = await makeFolder(t);
  const repository = await makeRepository(t, files, join(root, 'real'));
  await symlink(repository, join(root, 'alias'));
  t.equal((await resolve('', 'alias', [root])).repository, repository);
  const elsewhere = await makeFolder(t);
  await symlink(root, join(elsewhere, 'root'));
  t.equal((await resolve('', 'real', [join(elsewhere, 'root')])).repository, repository);
  t.equal((await resolve('', join(root, 'real'), [join(elsewhere, 'root')])).repository, repository);
});

t.test('a git directory outside the roots is not read through a folder inside', async (t) => {
  const [outside, root] = [await makeFolder(t), await makeFolder(t)];
  const secret = await makeRepository(t, files, join(outside, 'secret'));
  for (const name of ['pointer', 'linked']) await mkdir(join(root, name));
  await writeFile(join(root, 'pointer/.git'), `gitdir: ${join(secret, '.git')}\n`);
  await symlink(join(secret, '.git'), join(root, 'linked/.git'));
  for (const name of ['pointer', 'linked']) {
    const refused = await refusal(resolve('', name, [root]));
    t.equal(refused.code, 'invalid_argument');
    t.match(refused.message, /git directory .* outside the project roots/, name);
    t.equal((await resolve('', '.', [join(root, name)])).repository, join(root, name), 'but a root itself may be one');
  }
});

t.test('a repository without a commit, a damaged one and one of another user are told apart', async (t) => {
  const root = await makeFolder(t);
  await makeRepository(t, {}, join(root, 'empty'));
  t.match(await refusal(resolve('', 'empty', [root])), { code: 'invalid_argument', message: /no commit yet/ });
  t.match(await refusal(resolve('empty', '', [root])), { code: 'invalid_argument', field: 'project_name', message: /no commit yet/ });

  const damaged = await makeRepository(t, files, join(root, 'damaged'));
  await writeFile(join(damaged, '.git/config'), '[core\n');
  t.match(await refusal(resolve('', 'damaged', [root])), { code: 'invalid_argument', message: /git can not read/ });

  if (process.getuid?.() !== 0) return t.comment('not root: no repository of another user can be made');
  const foreign = await makeRepository(t, files, join(root, 'foreign'));
  for (const path of [foreign, join(foreign, '.git')]) chownSync(path, 12_345, 12_345);
  t.match(await refusal(resolve('', 'foreign', [root])), { code: 'invalid_argument', message: /belongs to another user.*safe\.directory/ });
});

t.test('a training file is pinned by its content', async (t) => {
  const root = await makeFolder(t);
  const path = join(root, 'rows.jsonl');
  await writeFile(path, '{"messages":[]}\n');
  const sha256 = createHash('sha256').update('{"messages":[]}\n').digest('hex');
  t.same(await resolve('', 'rows.jsonl', [root]), { repository: path, commit: `file:${sha256}` });
  await truncate(path, 0);
  t.match(await refusal(resolve('', 'rows.jsonl', [root])), { code: 'invalid_argument', message: /is empty/ });
  await truncate(path, (512 << 20) + 1);
  t.match(await refusal(resolve('', 'rows.jsonl', [root])), { code: 'too_large', field: 'project_path' });
  await rm(path);
  t.match(await refusal(resolve('', 'rows.jsonl', [root])), { code: 'not_found' });
});

t.test('it is over in bounded time', async (t) => {
  const root = await makeFolder(t);
  await makeRepository(t, files, join(root, 'shop'));
  const refused = await refusal(resolveSource({ projectName: '', projectPath: 'shop' }, { projectRoots: [root], timeoutMs: 0 }));
  t.equal(refused.code, 'unavailable');
});
