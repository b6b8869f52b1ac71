import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { readAttributes } from '../../../guardian/git/attributes.ts';
import { listTree } from '../../../guardian/git/tree.ts';
import { commitFiles, git, makeFolder, makeRepository } from '../../support/repository.ts';

const never = new AbortController().signal;
const files = {
  '.gitattributes': '*.gen.js linguist-generated\nthird/** linguist-vendored=true\n*.dat binary\n*.raw -text -diff\n*.eol -text\n[attr]made linguist-generated\n*.made made\nno/*.gen.js linguist-generated=false\ndocs/** linguist-documentation\n',
  'a.gen.js': 'a\n', 'no/b.gen.js': 'b\n', 'third/deep/c.js': 'c\n', 'd.dat': 'd\n', 'e.raw': 'e\n', 'f.eol': 'f\n', 'g.made': 'g\n', 'docs/h.md': 'h\n', 'plain.js': 'i\n', 'ü \t".gen.js': 'j\n',
  'sub/.gitattributes': 'x.js -linguist-vendored linguist-generated=TRUE\n', 'sub/x.js': 'x\n',
};
const nothing = { generated: false, vendored: false, binary: false };
const wanted = {
  'a.gen.js': { ...nothing, generated: true },
  'd.dat': { ...nothing, binary: true },
  'e.raw': { ...nothing, binary: true },
  'g.made': { ...nothing, generated: true },
  'sub/x.js': { ...nothing, generated: true },
  'third/deep/c.js': { ...nothing, vendored: true },
  'ü \t".gen.js': { ...nothing, generated: true },
};

async function read(repository: string, commit: string) {
  const paths = (await git(repository, 'ls-tree', '-r', '-z', '--name-only', '--full-tree', commit)).split('\0').slice(0, -1);
  return Object.fromEntries([...(await readAttributes(repository, commit, paths, never))].sort());
}

async function contents(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return Promise.all(entries.filter((entry) => entry.isFile()).map(async (entry) => `${join(entry.parentPath, entry.name)} ${await readFile(join(entry.parentPath, entry.name), 'latin1')}`)).then((all) => all.sort());
}

t.test('attributes are those of the commit, and nothing is written', async (t) => {
  const repository = await makeRepository(t, files);
  const commit = await git(repository, 'rev-parse', 'HEAD');
  await writeFile(join(repository, '.git/info/attributes'), '* linguist-vendored\n');
  await git(repository, 'config', 'core.attributesFile', join(repository, '.git/info/attributes'));
  await commitFiles(repository, { '.gitattributes': '* linguist-generated\n' });
  await writeFile(join(repository, 'sub/.gitattributes'), '* binary\n');
  const before = await contents(repository);
  const temporary = await makeFolder(t);
  const old = process.env['TMPDIR'];
  process.env['TMPDIR'] = temporary;
  t.teardown(() => (old === undefined ? delete process.env['TMPDIR'] : (process.env['TMPDIR'] = old)));
  t.same(await read(repository, commit), wanted);
  t.same(await contents(repository), before);
  t.same(await readdir(temporary), [], 'nothing is left behind');
});

t.test('settings of the user do not count', async (t) => {
  const repository = await makeRepository(t, files);
  const home = await makeFolder(t);
  await mkdir(join(home, 'git'));
  await writeFile(join(home, 'git/attributes'), '* linguist-vendored\n');
  const old = process.env['XDG_CONFIG_HOME'];
  process.env['XDG_CONFIG_HOME'] = home;
  t.teardown(() => (old === undefined ? delete process.env['XDG_CONFIG_HOME'] : (process.env['XDG_CONFIG_HOME'] = old)));
  t.same(await read(repository, await git(repository, 'rev-parse', 'HEAD')), wanted);
});

t.test('a bare clone that borrows objects, a worktree and SHA-256 give the same', async (t) => {
  const repository = await makeRepository(t, files);
  const commit = await git(repository, 'rev-parse', 'HEAD');
  const folder = await makeFolder(t);
  await git(repository, 'clone', '--quiet', '--bare', '--shared', repository, join(folder, 'bare.git'));
  await git(repository, 'worktree', 'add', '--quiet', '--detach', join(folder, 'tree'), commit);
  t.same(await read(join(folder, 'bare.git'), commit), wanted);
  t.same(await read(join(folder, 'tree'), commit), wanted);
  const modern = join(folder, 'sha256');
  await mkdir(modern);
  await git(modern, 'init', '--quiet', '--object-format=sha256', '--initial-branch=main');
  t.same(await read(modern, await commitFiles(modern, files)), wanted);
});

t.test('without .gitattributes git is not asked', async (t) => {
  t.same(await readAttributes('/nowhere', '0'.repeat(40), ['a.js', 'x.gitattributes'], never), new Map());
  await t.rejects(readAttributes('/nowhere', '0'.repeat(40), ['.gitattributes'], never));
});

t.test('a commit that is not there is an error, and it stops when told to', async (t) => {
  const repository = await makeRepository(t, files);
  await t.rejects(readAttributes(repository, '1'.repeat(40), ['.gitattributes'], never), /can not read attributes/);
  const gone = new AbortController();
  gone.abort(new Error('enough'));
  await t.rejects(readAttributes(repository, await git(repository, 'rev-parse', 'HEAD'), ['.gitattributes'], gone.signal), { message: 'enough' });
});

t.test('thousands of files are answered, more than a pipe holds', async (t) => {
  const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`folder-with-a-long-name/${'and-more-of-it'.repeat(8)}/file-${at}.${at % 2 === 0 ? 'gen.' : ''}js`, `${at}\n`]));
  const repository = await makeRepository(t, { ...many, '.gitattributes': '*.gen.js linguist-generated\n' });
  const commit = await git(repository, 'rev-parse', 'HEAD');
  const paths = (await listTree(repository, commit, never)).files.map(({ path }) => path);
  const started = performance.now();
  t.equal((await readAttributes(repository, commit, paths, never)).size, 500);
  t.comment(`${Math.round(performance.now() - started)} ms`);
});
