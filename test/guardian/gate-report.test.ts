import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import t, { type Test } from 'tap';
import { createFileBlobStore } from '../../core/blobs/file-blob-store.ts';
import { getTree, putTree, readTree } from '../../core/blobs/tree.ts';
import { StepResultSchema } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import { initialState, type Pipeline } from '../../core/pipeline/state.ts';
import { judge } from '../../guardian/pipeline/gate-report.ts';
import { after, complete, planOf, request, until } from '../core/pipeline-support.ts';
import { makeFolder } from '../support/repository.ts';

/** A pipeline whose evaluation left these files as its report. */
async function evaluated(t: Test, files: Record<string, string>) {
  const folder = await makeFolder(t);
  const report = join(folder, 'report');
  await mkdir(report);
  for (const [name, text] of Object.entries(files)) await writeFile(join(report, name), text);
  const blobs = createFileBlobStore(join(folder, 'blobs'));
  const reportDigest = await putTree(blobs, report);
  const result = create(StepResultSchema, { kind: { case: 'task', value: { kind: { case: 'evaluate', value: { reportDigest, perplexity: 10, basePerplexity: 20, margin: 0.5, marginInterval: { low: 0.4, high: 0.6 } } } } } });
  const state = after(until(after(initialState, { type: 'plan', plan: planOf() }), 'evaluate'), request, (now) => ({ ...complete(now), result }) as never);
  return { folder, blobs, reportDigest, judge: () => judge(state as Pipeline, blobs, join(folder, 'work')) };
}
const missing = { name: 'TaskFailure', code: 'input_missing', retryable: false };

t.test('the verdict stands in the report', async (t) => {
  const { judge, blobs, folder } = await evaluated(t, { 'report.md': '# Evaluation\n' });
  const verdict = await judge();
  t.match(verdict, { type: 'decide-gate', passed: false, checks: [{ name: 'base', passed: true }, { name: 'replaced', passed: false }, { name: 'general', passed: false }] });
  await getTree(blobs, verdict.reportDigest, join(folder, 'copy'));
  t.match(await readFile(join(folder, 'copy', 'report.md'), 'utf8'), /^# Evaluation\n\n## Gate\n\nThe new model is not deployed/);
  t.strictSame(await judge(), verdict, 'again it is the same');
});

t.test('without its report there can be no verdict', async (t) => {
  const none = await evaluated(t, { 'other.md': 'x' });
  await t.rejects(none.judge(), missing, 'no report.md');
  const part = await evaluated(t, { 'report.md': '# Evaluation\n' });
  await part.blobs.remove((await readTree(part.blobs, part.reportDigest)).files[0]!.digest);
  await t.rejects(part.judge(), { ...missing, message: /^the evaluation's report can't be read: blob [0-9a-f]{64} is not in the store$/ });
  const whole = await evaluated(t, { 'report.md': '# Evaluation\n' });
  await whole.blobs.remove(whole.reportDigest);
  await t.rejects(whole.judge(), missing);
});

t.test('a disk that does not do its part is another matter', async (t) => {
  const { judge, folder } = await evaluated(t, { 'report.md': '# Evaluation\n' });
  await writeFile(join(folder, 'work'), 'a file');
  await t.rejects(judge(), { code: 'ENOTDIR' });
  await rm(join(folder, 'work'));
  t.match(await judge(), { type: 'decide-gate' });
});
