import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildDataset } from '../../guardian/dataset/build.ts';
import type { DatasetReport } from '../../guardian/dataset/report.ts';
import type { HeldoutFile, Row } from '../../guardian/dataset/row.ts';
import { defaultSettings, type DatasetSettings } from '../../guardian/dataset/settings.ts';
import { git, makeFolder } from '../support/repository.ts';

export interface Built {
  directory: string;
  commit: string;
  report: DatasetReport;
  train: Row[];
  heldout: Row[];
  all: Row[];
  heldoutFiles: HeldoutFile[];
  /** SHA-256 over all files. */
  digest: string;
}

/** Makes a dataset of HEAD, as the extract task does, and reads it back. */
export async function build(t: Parameters<typeof makeFolder>[0], repository: string, settings: Partial<DatasetSettings> = {}): Promise<Built> {
  const directory = await makeFolder(t);
  const commit = await git(repository, 'rev-parse', 'HEAD');
  const report = await buildDataset({ repository, commit, settings: { ...defaultSettings(1n, settings.recipe), ...settings }, directory, signal: new AbortController().signal, progress() {} });
  return { commit, report, ...(await readDataset(directory)) };
}

export async function readDataset(directory: string) {
  const names = ['heldout.jsonl', 'heldout_files.jsonl', 'report.json', 'report.md', 'train.jsonl'];
  const texts = await Promise.all(names.map((name) => readFile(join(directory, name), 'utf8')));
  const read = <T>(name: string): T[] => texts[names.indexOf(name)]!.split('\n').slice(0, -1).map((line) => JSON.parse(line) as T);
  const [train, heldout] = [read<Row>('train.jsonl'), read<Row>('heldout.jsonl')];
  const digest = createHash('sha256').update(JSON.stringify(texts)).digest('hex');
  return { directory, train, heldout, all: [...train, ...heldout], heldoutFiles: read<HeldoutFile>('heldout_files.jsonl'), digest };
}

/** A module of some 40 lines with two functions, unlike that of any other number. */
export function moduleText(number: number): string {
  const words = ['river', 'lamp', 'stone', 'cloud', 'tiger', 'paper', 'wheel', 'honey', 'anchor', 'violin'];
  const word = (offset: number): string => `${words[(number + offset) % words.length]}${number}`;
  const lines = [`// Module ${number}: what ${word(0)} does with ${word(1)}.`, `import { ${word(2)} } from './${word(3)}.js';`, ''];
  for (const at of [1, 2]) {
    lines.push(`/** Turns ${word(at)} into ${word(at + 3)}. */`, `export function ${word(at)}To${number * 7 + at}(input, limit = ${number + at}) {`);
    for (let step = 0; step < 6; step += 1) lines.push(`  const ${word(step)}Step${step} = input.${word(step + at)} * ${number * 31 + step * at} + limit;`);
    lines.push(`  if (${word(0)}Step0 > ${number}) throw new RangeError('${word(4)} is over ${number * at}');`, `  return ${word(1)}Step1 + ${word(5)}Step5;`, '}', '');
  }
  return lines.join('\n');
}

export function modules(count: number, folder = 'src'): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, number) => [`${folder}/module-${String(number).padStart(3, '0')}.js`, moduleText(number)]));
}
