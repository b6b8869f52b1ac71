import { hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { starterHyperparameters } from '../../../deploy/local/quickstart/base-model.ts';
import { fieldsOf, need, numberOf, textOf, type Fields } from '../../../gpu-agent/trainer-events.ts';
import { buildDataset } from '../../../guardian/dataset/build.ts';
import { defaultSettings, type DatasetSettings, type Recipe } from '../../../guardian/dataset/settings.ts';
import type { RealRepository } from '../../support/real-repositories.ts';
import { runTrainer } from '../../support/trainer-command.ts';

const recipes = ['plain', 'full'] as const satisfies Recipe[];

export interface Settings {
  /** Folder of the base model. */
  base: string;
  /** Optimizer steps on the plain dataset; on the full one, as many as it takes to have seen as many tokens. */
  steps: number;
  /** Which tokens are made equal: all that go through the model, or those that the loss is taken of. */
  budget: 'all' | 'completion';
  threads: number;
  /** Where the held-out files are longer together, some of them, chosen by a hash of their paths. */
  heldoutChars: number;
  /** Settings of the full recipe that differ from its defaults. */
  changes: Partial<DatasetSettings>;
}

export interface RecipeRun {
  rows: number;
  steps: number;
  /** Completion tokens, of which the loss is taken, and all tokens with those of the prompts. */
  tokensSeen: number;
  allTokens: number;
  seconds: number;
  perplexity: number;
}

export interface Comparison {
  repository: string;
  seed: number;
  heldoutFiles: number;
  heldoutTokens: number;
  basePerplexity: number;
  plain: RecipeRun;
  full: RecipeRun;
  /** 1 - perplexity(full) / perplexity(plain): above 0 where the full recipe is better; 95 % bounds over files. */
  gain: { value: number; low: number; high: number };
}

/**
 * Trains one base on the plain and on the full dataset of a repository's last commit, on equally many tokens, and scores both on the same files as raw text: those that both recipes hold out.
 * @param folder empty; it holds some 50 MB afterwards
 */
export async function compareRecipes(repository: RealRepository, seed: number, folder: string, settings: Settings): Promise<Comparison> {
  const datasets = { plain: await makeDataset(repository, seed, 'plain', folder), full: await makeDataset(repository, seed, 'full', folder, settings.changes) };
  const heldout = sample(await commonFiles(datasets), settings.heldoutChars);
  const heldoutFile = join(folder, 'heldout-raw.jsonl');
  await writeFile(heldoutFile, heldout.map((text) => `${JSON.stringify({ text })}\n`).join(''));

  const runs: Partial<Record<Recipe, Omit<RecipeRun, 'perplexity'>>> = {};
  const adapters: Record<string, string> = {};
  for (const recipe of recipes) {
    const output = join(folder, recipe, 'training');
    const amount = recipe === 'plain' ? { max_steps: settings.steps } : { max_steps: null, max_tokens: need(runs.plain, 'plain')[settings.budget === 'all' ? 'allTokens' : 'tokensSeen'], max_tokens_of: settings.budget };
    const result = await runTrainer('train', {
      ...starterHyperparameters, ...amount, seed, base_model: settings.base, train_file: join(datasets[recipe], 'train.jsonl'), output_dir: output,
      evaluate_every_epoch: false, checkpoint_every_steps: 1_000_000, device: 'cpu', threads: settings.threads,
    });
    adapters[recipe] = need(textOf(result, 'adapter_dir'), 'adapter_dir');
    const count = (name: string): number => need(numberOf(result, name), name);
    runs[recipe] = { rows: await countLines(join(datasets[recipe], 'train.jsonl')), steps: count('steps'), tokensSeen: count('tokens_seen'), allTokens: count('all_tokens'), seconds: count('seconds') };
  }

  const measured = await runTrainer('evaluate', {
    // The full recipe first: the pair's value is then its gain over the plain one.
    base_model: settings.base, adapters: { full: adapters['full'], plain: adapters['plain'] }, heldout_file: heldoutFile, output_dir: join(folder, 'evaluation'),
    max_seq_length: starterHyperparameters.max_seq_length, seed, device: 'cpu', threads: settings.threads,
  });
  const perplexityOf = (fields: Fields): number => need(numberOf(fields, 'perplexity'), 'perplexity');
  const tuned = need(fieldsOf(measured, 'adapters'), 'adapters');
  const [pair] = measured['pairs'] as [{ value: number; low: number; high: number }];
  const run = (recipe: Recipe): RecipeRun => ({ ...need(runs[recipe], recipe), perplexity: perplexityOf(need(fieldsOf(tuned, recipe), recipe)) });
  return {
    repository: repository.name, seed,
    heldoutFiles: heldout.length,
    heldoutTokens: need(numberOf(measured, 'tokens'), 'tokens'),
    basePerplexity: perplexityOf(need(fieldsOf(measured, 'base'), 'base')),
    plain: run('plain'),
    full: run('full'),
    gain: { value: pair.value, low: pair.low, high: pair.high },
  };
}

async function makeDataset(repository: RealRepository, seed: number, recipe: Recipe, folder: string, changes: Partial<DatasetSettings> = {}): Promise<string> {
  const directory = join(folder, recipe, 'dataset');
  await mkdir(directory, { recursive: true });
  await buildDataset({
    repository: repository.repository, commit: repository.commits.at(-1)!, directory,
    settings: { ...defaultSettings(BigInt(seed), recipe), ...changes },
    signal: new AbortController().signal, progress: () => undefined,
  });
  return directory;
}

/** The files that both recipes hold out, by path. @throws Error when a recipe trains on one of them */
async function commonFiles(datasets: Readonly<Record<Recipe, string>>): Promise<Map<string, string>> {
  const heldout = new Map<string, string>();
  for await (const { path, text } of rowsOf<{ path: string; text: string }>(join(datasets.full, 'heldout_files.jsonl'))) heldout.set(path, text);
  const plain = new Set<string>();
  for await (const { path } of rowsOf<{ path: string }>(join(datasets.plain, 'heldout_files.jsonl'))) plain.add(path);
  for (const path of [...heldout.keys()]) if (!plain.has(path)) heldout.delete(path);
  for (const recipe of recipes) {
    for await (const row of rowsOf<{ path: string; spans?: { path: string }[] }>(join(datasets[recipe], 'train.jsonl'))) {
      for (const { path } of [row, ...(row.spans ?? [])]) if (heldout.has(path)) throw new Error(`the ${recipe} recipe trains on ${path}, which is held out`);
    }
  }
  return heldout;
}

/** Texts of whole files, together at most so many characters; one that does not fit is passed over. */
function sample(files: ReadonlyMap<string, string>, maxChars: number): string[] {
  let chars = 0;
  return [...files]
    .map(([path, text]) => ({ text, place: hash('sha1', path) }))
    .sort((a, b) => (a.place < b.place ? -1 : 1))
    .filter(({ text }) => {
      const fits = chars + text.length <= maxChars;
      if (fits) chars += text.length;
      return fits;
    })
    .map(({ text }) => text);
}

async function* rowsOf<T>(file: string): AsyncGenerator<T> {
  for await (const line of createInterface({ input: createReadStream(file) })) yield JSON.parse(line) as T;
}

async function countLines(file: string): Promise<number> {
  let lines = 0;
  for await (const _ of rowsOf(file)) lines += 1;
  return lines;
}
