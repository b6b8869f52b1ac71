import { create } from '@bufbuild/protobuf';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { RetrainPolicySchema } from '../../../core/gen/aiforge/v1/pipeline_pb.ts';
import { monitor, type MonitorOptions } from '../../../guardian/monitor/monitor.ts';
import { defaultPolicy } from '../../../guardian/policy/policy.ts';
import { commitFiles, git, makeFolder, makeRepository } from '../../support/repository.ts';

const look = (repository: string, more: Partial<MonitorOptions> = {}) =>
  monitor({ repository, ref: undefined, policies: [], now: 0, signal: new AbortController().signal, timeoutMs: 30_000, ...more });
const headOf = (repository: string): Promise<string> => git(repository, 'rev-parse', 'HEAD');
const refusal = (work: Promise<unknown>): Promise<unknown> => work.then(() => 'it was not refused', (error: unknown) => error);

t.test('from a repository to a decision', async (t) => {
  const repository = await makeRepository(t, { 'a.txt': '0\n' });
  const commit = await headOf(repository);
  t.match(await look(repository), { head: commit, policy: defaultPolicy, decision: { retrain: true, reason: /^never trained/ }, metrics: { neverTrained: true } });
  const trained = { commit, at: 0 };
  t.match((await look(repository, { trained })).decision, { retrain: false, reason: 'nothing to do: 0 files changed (threshold: 20), 0 commits (threshold: 50), no critical path changed, no new tag' });
  const files = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`f-${index}.txt`, `${index}\n`]));
  await commitFiles(repository, files(19));
  t.match((await look(repository, { trained })).decision, { retrain: false, reason: /^nothing to do: 19 files changed \(threshold: 20\), 1 commit / });
  const head = await commitFiles(repository, files(20));
  t.match(await look(repository, { trained }), { head, decision: { retrain: true, reason: '20 files changed (threshold: 20)' } });
  t.match((await look(repository, { trained, now: 10 * 3_600_000, policies: [undefined, create(RetrainPolicySchema, { filesChanged: 99, maxAgeHours: 9 })] })).decision, { reason: 'trained 10 hours ago (limit: 9)' });
  t.match(await look(repository, { trained: { commit: 'e'.repeat(40), at: 0 } }), { decision: { retrain: true, reason: /trained commit eeeeeeeeeeee is not in the repository any more/ }, metrics: { base: 'missing' } });
});

t.test('the settings file at that commit comes after request and project', async (t) => {
  const repository = await makeRepository(t, { 'a.txt': '0\n', '.ai-forge.yml': 'retrain:\n  files_changed: 2\n  commits: 3\n  tags: [t*]\n' });
  const first = await headOf(repository);
  const expected = { ...defaultPolicy, filesChanged: 2, commits: 3, tags: ['t*'] };
  t.same((await look(repository)).policy, expected);
  await writeFile(join(repository, '.ai-forge.yml'), 'broken: [');
  t.same((await look(repository)).policy, expected, 'what is not committed does not count');
  t.same((await look(repository, { policies: [create(RetrainPolicySchema, { commits: 7 }), create(RetrainPolicySchema, { commits: 8, filesChanged: 9 })] })).policy, { ...expected, commits: 7, filesChanged: 9 });

  await commitFiles(repository, { '.ai-forge.yml': 'retrain:\n  files_changed: many\n' });
  t.match(await refusal(look(repository)), { code: 'invalid_argument', message: '.ai-forge.yml: retrain.files_changed: must be a number, not a text' });
  t.same((await look(repository, { ref: first })).policy, expected, 'nor what another commit says');
  await commitFiles(repository, { '.ai-forge.yml': 'retrain: {}\n', '.ai-forge.yaml': '' });
  t.match(await refusal(look(repository)), { code: 'invalid_argument', message: /stands beside .*keep one/ });
  await rm(join(repository, '.ai-forge.yml'));
  await commitFiles(repository, { '.ai-forge.yaml': 'retrain: {commits: 4}\n' });
  t.equal((await look(repository)).policy.commits, 4);
  await rm(join(repository, '.ai-forge.yaml'));
  await symlink('/etc/hostname', join(repository, '.ai-forge.yml'));
  await commitFiles(repository, {});
  t.match(await refusal(look(repository)), { code: 'invalid_argument', message: /must be a regular file/ });
  await rm(join(repository, '.ai-forge.yml'));
  await commitFiles(repository, { '.ai-forge.yml/x': '1' });
  t.match(await refusal(look(repository)), { code: 'invalid_argument', message: /must be a regular file/ });
  await rm(join(repository, '.ai-forge.yml'), { recursive: true });
  await commitFiles(repository, { '.ai-forge.yml': '#'.repeat(65_537) });
  t.match(await refusal(look(repository)), { code: 'invalid_argument', message: /at most 65536/ });
});

t.test('branches, tags, commits and detached heads', async (t) => {
  const repository = await makeRepository(t, { 'a.txt': '0\n' });
  const first = await headOf(repository);
  await git(repository, 'tag', '-a', 'v1', '-m', 'First');
  await git(repository, 'tag', 'blob', 'HEAD:a.txt');
  await git(repository, 'branch', 'feature/x');
  const second = await commitFiles(repository, { 'a.txt': '1\n' });
  const named: [ref: string, commit: string][] = [
    ['v1', first],
    ['feature/x', first],
    ['refs/heads/feature/x', first],
    ['main', second],
    ['HEAD', second],
    [first, first],
    [second.slice(0, 12), second],
  ];
  for (const [ref, commit] of named) t.equal((await look(repository, { ref })).head, commit, ref);
  await git(repository, 'checkout', '--quiet', '--detach', first);
  t.equal((await look(repository)).head, first, 'a detached head');

  const refused: [ref: string, says: RegExp][] = [
    ['gone', /^ref: no commit is named "gone" in .*refs\/tags\/gone.*refs\/heads\/gone/],
    ['blob', /no commit is named/],
    ['f'.repeat(40), /no commit is named/],
    ['', /must not be empty/],
    ['-x', /begin with a dash/],
    ['--all', /begin with a dash/],
    ['a b', /spaces or control/],
    ['a\nb', /spaces or control/],
    ['x'.repeat(300), /at most 255/],
    ...['main..v1', 'main@{1}', 'HEAD:a.txt', ':/First', 'HEAD~1', 'v1^{}', 'ma*', '@{-1}'].map((ref): [string, RegExp] => [ref, /plain name/]),
  ];
  for (const [ref, says] of refused) t.match(await refusal(look(repository, { ref })), { code: 'invalid_argument', field: 'ref', message: says }, ref.slice(0, 20));
});

t.test('what is no repository, or has no commit, is a clear error', async (t) => {
  const folder = await makeFolder(t);
  await mkdir(join(folder, 'plain'));
  await makeRepository(t, {}, join(folder, 'empty'));
  const says: [name: string, message: RegExp][] = [
    ['plain', /^project_path: .*plain is not the top folder of a git repository/],
    ['empty', /^project_path: .*empty has no commit yet/],
    ['absent', /^project_path: /],
  ];
  for (const [name, message] of says) t.match(await refusal(look(join(folder, name))), { code: 'invalid_argument', field: 'project_path', message }, name);
  t.match(await refusal(look(join(folder, 'empty'), { ref: 'main' })), { code: 'invalid_argument', field: 'ref' });
});
