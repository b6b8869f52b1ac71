/**
 * How fast a dataset is made: `node test/bench/dataset.ts [recipe] [folder ...]`. Puts source files of installed
 * packages (or of the folders named) under git in a temporary folder, with a history of some commits, and makes a
 * dataset of them three times. The first run also loads the grammars and has its code compiled while it runs. The last
 * line is of a repository of one line: what every dataset costs, however small, once all is loaded.
 */
import { execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { buildDataset } from '../../guardian/dataset/build.ts';
import type { DatasetReport } from '../../guardian/dataset/report.ts';
import { defaultSettings, type Recipe } from '../../guardian/dataset/settings.ts';
import { commitFiles, git } from '../support/repository.ts';
import { machine } from './machine.ts';

const root = resolve(import.meta.dirname, '../..');
const installed = ['node_modules/undici/lib', 'node_modules/openai', 'node_modules/@grpc/grpc-js', 'node_modules/fast-check', '.venv/lib/python3.11/site-packages/trl', '.venv/lib/python3.11/site-packages/peft'];
const runs = 3;
const commits = 100;

const [recipe = 'full', ...named] = process.argv.slice(2);
const folders = named.length > 0 ? named : installed.map((path) => join(root, path));
const work = await mkdtemp(join(tmpdir(), 'forge-bench-'));
try {
  const repository = join(work, 'repository');
  for (const folder of folders) {
    await cp(folder, join(repository, basename(folder) === 'lib' ? basename(resolve(folder, '..')) : basename(folder)), { recursive: true, filter: (path) => !/\/node_modules\/.*\/node_modules\/|\.map$|__pycache__/.test(path) });
  }
  await git(repository, 'init', '--quiet');
  await commitFiles(repository, {});
  const commit = await addHistory(repository);
  console.log(`${machine()}, ${execFileSync('git', ['--version'], { encoding: 'utf8' }).trim()}; recipe ${recipe}`);
  for (let run = 1; run <= runs; run += 1) {
    const { report, seconds, processor } = await make(repository, commit);
    const megabytes = report.bytes_read / 1e6;
    console.log(`run ${run}: ${megabytes.toFixed(2)} MB of ${report.files_listed} files, ${report.train.rows} + ${report.heldout.rows} rows in ${seconds.toFixed(2)} s: ${(megabytes / seconds).toFixed(2)} MB/s; ${processor.toFixed(2)} s of processor: ${(megabytes / processor).toFixed(2)} MB/s a core`);
  }
  const small = join(work, 'small');
  await mkdir(small);
  await git(small, 'init', '--quiet');
  await commitFiles(small, { 'small.ts': 'export const small = true;\n' });
  const { seconds, processor } = await make(small, await commitFiles(small, { 'small.ts': 'export const small = 1;\n' }, 'Say how small it is'));
  console.log(`one line: ${seconds.toFixed(3)} s; ${processor.toFixed(3)} s of processor`);
} finally {
  await rm(work, { recursive: true, force: true });
}

/** Makes a dataset. @returns its report, and the seconds that it took by the clock and of the processor, in all threads */
async function make(repository: string, commit: string): Promise<{ report: DatasetReport; seconds: number; processor: number }> {
  const directory = await mkdtemp(join(work, 'dataset-'));
  const before = process.cpuUsage();
  const started = performance.now();
  const report = await buildDataset({ repository, commit, settings: defaultSettings(0n, recipe as Recipe), directory, signal: new AbortController().signal, progress() {} });
  const seconds = (performance.now() - started) / 1_000;
  const used = process.cpuUsage(before);
  return { report, seconds, processor: (used.user + used.system) / 1e6 };
}

/** Commits that each add a line to one file of code, since reading what they changed is part of the work. @returns the last */
async function addHistory(repository: string): Promise<string> {
  const paths = (await git(repository, 'ls-files', '-z', '--', '*.js', '*.ts', '*.py')).split('\0').filter((path) => path !== '');
  let commit = '';
  for (let number = 0; number < commits; number += 1) {
    const path = paths[Math.floor((number * paths.length) / commits)]!;
    const text = await readFile(join(repository, path), 'utf8');
    commit = await commitFiles(repository, { [path]: `${text}${path.endsWith('.py') ? '#' : '//'} Change ${number}.\n` }, `Say at the end of ${path} that it is change ${number}`);
  }
  return commit;
}
