import { execFile } from 'node:child_process';
import { access, appendFile, chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { resolveSource } from '../../guardian/resolve.ts';
import { commitFiles, git, makeFolder, makeRepository } from '../support/repository.ts';
import { build, modules } from './dataset-support.ts';

const exists = (path: string): Promise<boolean> => access(path).then(() => true, () => false);

/** Writes a program that leaves a mark when it runs, and names it wherever git would look for one to run. */
async function arm(repository: string, folder: string): Promise<string> {
  const mark = join(folder, 'it-ran');
  const program = join(folder, 'program.sh');
  await writeFile(program, `#!/bin/sh\ntouch '${mark}'\n`);
  await chmod(program, 0o755);
  await appendFile(
    join(repository, '.git/config'),
    `[core]\n fsmonitor = ${program}\n hooksPath = ${join(folder, 'hooks')}\n pager = ${program}\n sshCommand = ${program}\n editor = ${program}\n askPass = ${program}\n attributesFile = ${join(folder, 'attributes')}\n` +
      `[diff]\n external = ${program}\n[diff "evil"]\n textconv = ${program}\n command = ${program}\n[filter "evil"]\n smudge = ${program}\n clean = ${program}\n process = ${program}\n required = true\n` +
      ['rev-parse', 'ls-tree', 'cat-file'].map((name) => `[alias]\n ${name} = !${program}\n[pager]\n ${name} = ${program}\n`).join('') +
      `[gpg]\n program = ${program}\n[credential]\n helper = !${program}\n[uploadpack]\n packObjectsHook = ${program}\n`,
  );
  await mkdir(join(folder, 'hooks'));
  for (const hook of ['post-checkout', 'post-index-change', 'reference-transaction', 'pre-auto-gc', 'fsmonitor-watchman']) {
    await writeFile(join(folder, 'hooks', hook), `#!/bin/sh\ntouch '${mark}'\n`, { mode: 0o755 });
  }
  await writeFile(join(folder, 'attributes'), '* diff=evil filter=evil\n');
  return mark;
}

t.test('nothing that a repository configures is run', async (t) => {
  const folder = await makeFolder(t);
  const repository = await makeRepository(t, { ...modules(8), '.gitattributes': '* filter=evil diff=evil\n' }, join(folder, 'shop'));
  const before = await build(t, repository);
  const mark = await arm(repository, folder);

  // The trap works: plain git falls into it.
  await promisify(execFile)('git', ['-C', repository, 'status'], { timeout: 10_000 }).catch(() => undefined);
  t.ok(await exists(mark), 'plain `git status` runs the program');
  await rm(mark, { force: true });

  const source = await resolveSource({ projectName: '', projectPath: repository }, { projectRoots: [folder], timeoutMs: 10_000 });
  t.equal(source.commit, before.commit);
  const after = await build(t, repository);
  t.equal(after.digest, before.digest, 'and nothing changes what is read');
  t.notOk(await exists(mark), 'the program did not run');
});

t.test('a partial clone does not make git fetch what it lacks', async (t) => {
  const folder = await makeFolder(t);
  const repository = await makeRepository(t, modules(8), join(folder, 'shop'));
  const mark = join(folder, 'it-ran');
  const program = join(folder, 'upload.sh');
  await writeFile(program, `#!/bin/sh\ntouch '${mark}'\nexit 1\n`, { mode: 0o755 });
  const object = await git(repository, 'rev-parse', 'HEAD:src/module-003.js');
  await rm(join(repository, '.git/objects', object.slice(0, 2), object.slice(2)));
  await appendFile(join(repository, '.git/config'), `[core]\n repositoryformatversion = 1\n[extensions]\n partialClone = origin\n[remote "origin"]\n promisor = true\n url = ${repository}\n uploadpack = ${program}\n`);

  await promisify(execFile)('git', ['-C', repository, 'cat-file', '-p', object], { timeout: 10_000 }).catch(() => undefined);
  t.ok(await exists(mark), 'plain `git cat-file` runs the program');
  await rm(mark, { force: true });

  await t.rejects(build(t, repository), /is not in the repository.*partial clone/);
  t.notOk(await exists(mark), 'the program did not run');
});

t.test('settings of the environment and replaced objects do not change what is read', async (t) => {
  const folder = await makeFolder(t);
  const repository = await makeRepository(t, modules(8), join(folder, 'shop'));
  const other = await makeRepository(t, { 'x.txt': 'other\n' }, join(folder, 'other'));
  const before = await build(t, repository);
  await commitFiles(repository, { 'src/module-003.js': 'replaced\n' });
  const replacement = await git(repository, 'rev-parse', 'HEAD');
  await git(repository, 'reset', '--quiet', '--hard', before.commit);
  await git(repository, 'replace', before.commit, replacement);

  const hostile = { GIT_DIR: join(other, '.git'), GIT_OBJECT_DIRECTORY: join(other, '.git/objects'), GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'core.bare', GIT_CONFIG_VALUE_0: 'nonsense' };
  Object.assign(process.env, hostile);
  t.teardown(() => Object.keys(hostile).forEach((name) => delete process.env[name]));
  const source = await resolveSource({ projectName: '', projectPath: repository }, { projectRoots: [folder], timeoutMs: 10_000 });
  t.equal(source.commit, before.commit);
  t.equal((await build(t, repository)).digest, before.digest);
});

t.test('reading writes nothing into the repository', async (t) => {
  const repository = await makeRepository(t, modules(8));
  const names = async (): Promise<string[]> => (await readdir(join(repository, '.git'), { recursive: true })).sort();
  const before = await names();
  await resolveSource({ projectName: '', projectPath: repository }, { projectRoots: [repository], timeoutMs: 10_000 });
  await build(t, repository);
  t.same(await names(), before);
});
