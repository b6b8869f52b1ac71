import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlobStore } from '../core/blobs/blob-store.ts';
import { getTree, putTree } from '../core/blobs/tree.ts';
import { baseModelAggregate } from '../core/base-model/base-model.ts';
import type { ExtractSpec } from '../core/gen/aiforge/v1/task_pb.ts';
import type { Ledger } from '../core/store/ledger.ts';
import { renderReport, type TokenCounts } from './dataset/render-report.ts';
import type { DatasetReport } from './dataset/report.ts';
import { countRows } from './dataset/tokens/count-rows.ts';
import { findTokenizer } from './dataset/tokens/find-tokenizer.ts';
import { createTokenCounter } from './dataset/tokens/counter.ts';

const starterName = 'ai-forge/starter';

export interface QualityReport {
  /** Tree with report.md and report.json. */
  digest: string;
  /** Absent where no tokenizer could be had. */
  tokens: TokenCounts | undefined;
}

/**
 * The report that people read, with token counts where the base model's tokenizer can be had. It lies beside the dataset
 * and not in it: what the dataset's digest is must not depend on that.
 * @param dataset folder with train.jsonl and heldout.jsonl
 */
export async function storeQualityReport(
  options: { spec: ExtractSpec; report: DatasetReport; dataset: string; workDir: string; signal: AbortSignal; log(line: string): void },
  { blobs, ledger }: { blobs: BlobStore; ledger: Ledger },
): Promise<QualityReport> {
  const { spec, report, dataset, workDir, signal, log } = options;
  const tokens = await countTokens(options, { blobs, ledger });
  if (typeof tokens === 'string') log(`tokens were not counted: ${tokens}`);
  const counted = typeof tokens === 'string' ? undefined : tokens;
  const dir = join(workDir, 'report');
  await mkdir(dir);
  const json = JSON.parse(await readFile(join(dataset, 'report.json'), 'utf8')) as Record<string, unknown>;
  const why = typeof tokens === 'string' && spec.baseModel !== '' ? { tokens_not_counted: tokens } : {};
  await writeFile(join(dir, 'report.json'), `${JSON.stringify({ ...json, ...(counted === undefined ? why : { tokens: counted }) }, null, 2)}\n`);
  await writeFile(join(dir, 'report.md'), renderReport(report, counted));
  signal.throwIfAborted();
  return { digest: await putTree(blobs, dir), tokens: counted };
}

/** @returns the counts, or why there are none */
async function countTokens({ spec, dataset, workDir, signal }: { spec: ExtractSpec; dataset: string; workDir: string; signal: AbortSignal }, { blobs, ledger }: { blobs: BlobStore; ledger: Ledger }): Promise<TokenCounts | string> {
  if (spec.baseModel === '') return 'no base model was named';
  const starter = async (): Promise<string | undefined> => {
    const base = ledger.head(baseModelAggregate, starterName).state;
    if (base.status !== 'pinned') return undefined;
    const folder = join(workDir, 'base');
    await getTree(blobs, base.treeDigest, folder);
    return folder;
  };
  const found = await findTokenizer({ name: spec.baseModel, revision: spec.revision }, { starter, signal });
  if ('missing' in found) return found.missing;
  const counter = createTokenCounter(found);
  const train = await countRows(join(dataset, 'train.jsonl'), counter, signal, () => {});
  const heldout = await countRows(join(dataset, 'heldout.jsonl'), counter, signal, () => {});
  return { tokenizer: found.name, train: train.tokens, heldout: heldout.tokens, by_kind: train.byKind };
}
