import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { starterHyperparameters } from '../../deploy/local/quickstart/base-model.ts';
import { starterCorpus } from '../../gpu-agent/starter-corpus.ts';
import { buildDataset } from '../../guardian/dataset/build.ts';
import { defaultSettings } from '../../guardian/dataset/settings.ts';
import { commitFiles, git, makeFolder } from '../support/repository.ts';
import { python, runTrainer } from '../support/trainer-command.ts';

const root = join(import.meta.dirname, '../..');

interface Interval { low: number; high: number }
interface Evaluation {
  tokens: number;
  base: { perplexity: number };
  adapters: Record<'tuned' | 'control', { perplexity: number; margin: number; bootstrap: Interval }>;
  pairs: (Interval & { a: string; b: string })[];
}

async function dataset(t: Test, repository: string): Promise<string> {
  const directory = await makeFolder(t);
  const commit = (await git(repository, 'rev-parse', 'HEAD')).trim();
  await buildDataset({ repository, commit, settings: defaultSettings(0n), directory, signal: new AbortController().signal, progress() {} });
  return directory;
}

// The claim of the quickstart, with its settings on its repository: what was learnt is this repository, not just code.
t.test('tuning on a repository beats the base, and a control tuned on as many tokens of another repository', { timeout: 900_000 }, async (t) => {
  const work = await makeFolder(t);
  const own = await dataset(t, root);
  // Another repository of the same languages and kind, that nothing else here is trained on.
  const other = join(work, 'other');
  for (const name of ['tshy', 'tap-parser', 'fast-check', '@tapjs']) await cp(join(root, 'node_modules', name), join(other, name), { recursive: true, filter: (path) => !/\/node_modules\/(?:[^/]+\/)+node_modules|\.map$/.test(path) });
  await git(other, 'init', '--quiet');
  await commitFiles(other, {});
  const control = await dataset(t, other);

  const starter = await runTrainer('starter', { output_dir: join(work, 'starter'), corpus_dirs: await starterCorpus(join(root, 'node_modules'), python), seconds: 60, seed: 0 });
  const train = async (name: string, data: string, extraSteps: number) =>
    runTrainer('train', {
      ...starterHyperparameters,
      max_steps: starterHyperparameters.max_steps + extraSteps,
      base_model: starter['model_dir'], train_file: join(data, 'train.jsonl'), heldout_file: null, output_dir: join(work, name), seed: 0,
    });
  const tuned = await train('tuned', own, 0);
  // Rows differ in length; a few steps more make sure that the control has seen no fewer tokens.
  const controlled = await train('control', control, Math.ceil(starterHyperparameters.max_steps / 10));
  t.ok(Number(controlled['tokens_seen']) >= Number(tuned['tokens_seen']), `the control saw ${controlled['tokens_seen']} tokens, the tuned model ${tuned['tokens_seen']}`);

  const measured = (await runTrainer('evaluate', {
    base_model: starter['model_dir'], adapters: { tuned: tuned['adapter_dir'], control: controlled['adapter_dir'] },
    heldout_file: join(own, 'heldout.jsonl'), output_dir: join(work, 'report'), max_seq_length: starterHyperparameters.max_seq_length, seed: 0,
  })) as unknown as Evaluation;
  const { base, adapters } = measured;
  const pair = measured.pairs.find(({ a, b }) => a === 'tuned' && b === 'control');
  t.comment(`held-out perplexity on ${measured.tokens} tokens: base ${base.perplexity.toFixed(1)}, control ${adapters.control.perplexity.toFixed(1)}, tuned ${adapters.tuned.perplexity.toFixed(1)}`);
  t.comment(`margin over the base ${(100 * adapters.tuned.margin).toFixed(1)} %, 95 % bound ${(100 * adapters.tuned.bootstrap.low).toFixed(1)} %; over the control, bound ${(100 * (pair?.low ?? NaN)).toFixed(1)} %`);
  t.ok(adapters.tuned.margin >= 0.05, 'at least 5 % below the base');
  t.ok(adapters.tuned.bootstrap.low > 0, 'the bound of the margin is above 0');
  t.ok((pair?.low ?? -1) > 0, 'the bound of the difference from the control is above 0');
});
