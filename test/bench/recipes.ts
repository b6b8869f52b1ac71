/**
 * Is a dataset made by the full recipe better than one made by the plain recipe? The same base, equally many tokens
 * seen, the same held-out files scored as raw text; real repositories, several seeds.
 *   node test/bench/recipes.ts --seeds 3 --repositories python,go,rust --steps 60
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { starterCorpus } from '../../gpu-agent/starter-corpus.ts';
import type { DatasetSettings } from '../../guardian/dataset/settings.ts';
import { realRepositories } from '../support/real-repositories.ts';
import { isFolder, toolsCache } from '../support/registry-packages.ts';
import { python, runTrainer } from '../support/trainer-command.ts';
import { compareRecipes, type Comparison } from './recipes/compare.ts';

/** Steps and not seconds, so that it is the same model whatever else the machine does. */
const starterSteps = 150;

const run = promisify(execFile);

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '3' },
    'first-seed': { type: 'string', default: '0' },
    repositories: { type: 'string', default: 'python,go,rust' },
    steps: { type: 'string', default: '60' },
    // `all` tokens that go through the model, or those of the `completion`s alone, which the loss is taken of.
    budget: { type: 'string', default: 'all' },
    threads: { type: 'string', default: String(Math.min(2, availableParallelism())) },
    'heldout-chars': { type: 'string', default: '400000' },
    // For trying out: settings of the full recipe, as JSON.
    set: { type: 'string', default: '{}' },
  },
});

if (values.budget !== 'all' && values.budget !== 'completion') throw new Error('--budget must be all or completion');
const { budget } = values;

function whole(name: 'seeds' | 'first-seed' | 'steps' | 'threads' | 'heldout-chars'): number {
  const value = Number(values[name]);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name}: must be a whole number, not ${values[name]}`);
  return value;
}

async function starter(): Promise<string> {
  const target = join(toolsCache(), 'starters', `starter-${starterSteps}-steps`);
  if (await isFolder(target)) return target;
  await mkdir(dirname(target), { recursive: true });
  const corpus = await starterCorpus(join(import.meta.dirname, '../../node_modules'), python);
  const made = `${target}.${process.pid}`;
  await runTrainer('starter', { output_dir: made, corpus_dirs: corpus, steps: starterSteps, seed: 0, threads: whole('threads') });
  await rename(made, target);
  await rm(`${made}.json`);
  return target;
}

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

function line({ repository, seed, heldoutFiles, heldoutTokens, basePerplexity, plain, full, gain }: Comparison): string {
  const trained = (name: string, { perplexity, steps, tokensSeen, allTokens, rows, seconds }: Comparison['plain']): string =>
    `  ${name}: perplexity ${perplexity.toFixed(2)}, ${steps} steps, ${tokensSeen} completion tokens seen (${allTokens} in all), ${rows} rows, ${seconds.toFixed(0)} s\n`;
  return (
    `${repository}, seed ${seed}: ${heldoutFiles} held-out files, ${heldoutTokens} tokens; base perplexity ${basePerplexity.toFixed(2)}\n` +
    trained('plain', plain) + trained('full ', full) +
    `  full below plain by ${percent(gain.value)} (95 % bounds ${percent(gain.low)} to ${percent(gain.high)})`
  );
}

function table(all: readonly Comparison[]): string {
  const rows = all.map(({ repository, seed, basePerplexity, plain, full, gain }) =>
    `| ${repository} | ${seed} | ${plain.tokensSeen} / ${full.tokensSeen} | ${basePerplexity.toFixed(2)} | ${plain.perplexity.toFixed(2)} | ${full.perplexity.toFixed(2)} | ${(full.perplexity / plain.perplexity).toFixed(4)} | ${percent(gain.low)} to ${percent(gain.high)} |`);
  const mean = [...new Set(all.map((one) => one.repository))].map((name) => {
    const own = all.filter((one) => one.repository === name);
    const ratio = Math.exp(own.reduce((sum, { plain, full }) => sum + Math.log(full.perplexity / plain.perplexity), 0) / own.length);
    return `${name}: mean ratio ${ratio.toFixed(4)} over ${own.length} seeds, better in ${own.filter((one) => one.gain.value > 0).length}`;
  });
  return `| repository | seed | tokens seen | base | plain | full | full / plain | gain, 95 % bounds |\n|---|---:|---:|---:|---:|---:|---:|---:|\n${rows.join('\n')}\n\n${mean.join('\n')}`;
}

const base = await starter();
const languages = values.repositories.split(',');
const repositories = await realRepositories(toolsCache(), languages);
const unknown = languages.filter((language) => !repositories.some((one) => one.language === language));
if (unknown.length > 0) throw new Error(`--repositories: there is none in ${unknown.join(', ')}`);
const began = Date.now();
const all: Comparison[] = [];
for (const repository of repositories) {
  for (let seed = whole('first-seed'); seed < whole('first-seed') + whole('seeds'); seed += 1) {
    const folder = await mkdtemp(join(tmpdir(), 'forge-recipes-'));
    try {
      const one = await compareRecipes(repository, seed, folder, { base, steps: whole('steps'), budget, threads: whole('threads'), heldoutChars: whole('heldout-chars'), changes: JSON.parse(values.set) as Partial<DatasetSettings> });
      console.log(line(one));
      all.push(one);
    } finally {
      await rm(folder, { recursive: true });
    }
  }
}
console.log(`\n${table(all)}\n`);
const { stdout: versions } = await run(python, ['-c', 'import platform, torch, transformers, peft, trl; print(f"python {platform.python_version()}, torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}, trl {trl.__version__}")']);
console.log(versions.trim());
console.log(`${cpus()[0]?.model ?? 'unknown CPU'}, ${whole('threads')} threads, ${Math.round(totalmem() / 2 ** 30)} GiB, node ${process.version}; ${Math.round((Date.now() - began) / 1000)} s`);
console.log(`node test/bench/recipes.ts ${process.argv.slice(2).join(' ')}`);
