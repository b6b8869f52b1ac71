import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import { putTree } from '../../core/blobs/tree.ts';
import type { GeneralEvaluationSchema, Inputs, IntervalSchema, ReferenceEvaluationSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import { TaskFailure, type RunnerResult, type TaskRunner } from '../../core/worker/task-runner.ts';
import { namedBase, starterName, type BaseModel, type BaseModels } from '../base-model.ts';
import type { RunnerDeps } from '../deps.ts';
import { fileIn, materialize } from '../inputs.ts';
import { runTrainer, trainerDir } from '../run-trainer.ts';
import { countOf, fieldsOf, need, numberOf, textOf, type Fields, type TrainerEvent } from '../trainer-events.ts';

/** The general text set: its name says its version, since the numbers belong to its very bytes. */
const generalFile = join(trainerDir, 'forge_trainer/general/general-1.jsonl');

/**
 * Measures base and tuned model on the held-out rows: adapter and dataset in, numbers and a report tree out. Where the
 * spec asks for them, the model that would be replaced is measured on the same rows, and both models on general texts.
 */
export function createEvaluateRunner(deps: RunnerDeps, baseModels: BaseModels): TaskRunner {
  return async (context) => {
    const { spec, inputs } = context.assignment;
    if (spec?.kind.case !== 'evaluate' || inputs === undefined) throw new TaskFailure('bad_config', 'the task is no evaluation', false);
    const base = await baseModels.resolve(context);
    if (base === 'stopped') return 'stopped';
    const blobs = deps.blobsFor(context);
    const adapter = await materialize(blobs, inputs.adapterDigest, context.workDir, 'adapter');
    const dataset = await materialize(blobs, inputs.datasetDigest, context.workDir, 'dataset');
    const heldout = await heldoutFile(dataset, spec.kind.value.general);
    if (heldout === undefined) throw new TaskFailure('bad_dataset', 'the dataset has no held-out rows to evaluate on', false);
    const reference = spec.kind.value.referenceJobId === '' ? null : await referenceConfig(blobs, spec.kind.value.referenceJobId, inputs, base, context.workDir);
    const output = join(context.workDir, 'report');
    const set = inputs.hyperparameters;
    const outcome = await runTrainer(deps, context, {
      command: 'evaluate',
      config: {
        base_model: base.model,
        revision: base.revision,
        expected_base_model_digest: inputs.trainedBaseModelDigest || null,
        adapters: { tuned: adapter },
        heldout_file: heldout.path,
        output_dir: output,
        metrics_file: (await fileIn(adapter, 'metrics.jsonl')) ?? null,
        title: `${inputs.project} ${spec.kind.value.jobId}`.trim(),
        lineage: { ...lineage(spec.kind.value.jobId, inputs), 'measured on': heldout.what },
        threads: deps.trainer.threads,
        device: context.slot.gpuIndex === undefined ? 'cpu' : 'auto',
        general_file: spec.kind.value.general ? generalFile : null,
        reference,
        ...(set === undefined ? {} : { seed: Number(set.seed), ...(set.maxSeqLength > 0 ? { max_seq_length: set.maxSeqLength } : {}) }),
      },
    });
    return outcome === 'stopped' ? 'stopped' : evaluateResult(outcome, spec.kind.value.referenceJobId, await putTree(blobs, output));
  };
}

/**
 * What a model is measured on. One that is to be let through a gate: the held-out files whole, as raw text, so that what
 * counts is the code and not the forms that a dataset asks for it in. Else, and where there are no files: the held-out rows.
 */
async function heldoutFile(dataset: string, whole: boolean): Promise<{ path: string; what: string } | undefined> {
  const files = whole ? await fileIn(dataset, 'heldout_files.jsonl') : undefined;
  if (files !== undefined && (await stat(files)).size > 0) return { path: files, what: 'held-out files, as raw text' };
  const rows = await fileIn(dataset, 'heldout.jsonl');
  return rows === undefined ? undefined : { path: rows, what: 'held-out rows' };
}

/** The trainer's `reference`: its adapter, and its base, which is not written out twice where it is the new model's own. */
async function referenceConfig(blobs: BlobStore, jobId: string, inputs: Inputs, base: BaseModel, workDir: string): Promise<Record<string, unknown>> {
  const { reference } = inputs;
  if (reference === undefined) throw new TaskFailure('input_missing', `the task was given no model of ${jobId} to compare with`, false);
  const adapter = await materialize(blobs, reference.adapterDigest, workDir, 'reference');
  const same = reference.baseModel === inputs.baseModel && reference.revision === inputs.revision && reference.baseModelDigest === inputs.baseModelDigest;
  const own = same ? base : await namedBase(blobs, reference, workDir, 'reference-base');
  return { name: jobId, base_model: own.model, revision: own.revision, adapter_dir: adapter, expected_base_model_digest: reference.trainedBaseModelDigest || null };
}

function lineage(jobId: string, inputs: Inputs): Record<string, string> {
  const all: Record<string, string> = {
    job: jobId,
    project: inputs.project,
    'base model': inputs.baseModel,
    'base model revision': inputs.revision,
    'base model tree': inputs.baseModel === starterName ? inputs.baseModelDigest : '',
    dataset: inputs.datasetDigest,
    adapter: inputs.adapterDigest,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''));
}

function evaluateResult(event: TrainerEvent, referenceJobId: string, reportDigest: string): RunnerResult {
  const base = need(fieldsOf(event, 'base'), 'base');
  const tuned = need(fieldsOf(need(fieldsOf(event, 'adapters'), 'adapters'), 'tuned'), 'adapters.tuned');
  return {
    kind: {
      case: 'evaluate',
      value: {
        loss: need(numberOf(tuned, 'loss'), 'loss'),
        perplexity: need(numberOf(tuned, 'perplexity'), 'perplexity'),
        baseLoss: need(numberOf(base, 'loss'), 'base.loss'),
        basePerplexity: need(numberOf(base, 'perplexity'), 'base.perplexity'),
        tokens: need(countOf(event, 'tokens'), 'tokens'),
        examples: need(countOf(event, 'examples'), 'examples'),
        margin: need(numberOf(tuned, 'margin'), 'margin'),
        marginInterval: intervalOf(tuned),
        reportDigest,
        reference: referenceOf(event, referenceJobId),
        general: generalOf(event),
      },
    },
  };
}

function intervalOf(fields: Fields): MessageInitShape<typeof IntervalSchema> | undefined {
  const bounds = fieldsOf(fields, 'bootstrap');
  return bounds && {
    low: need(numberOf(bounds, 'low'), 'low'),
    high: need(numberOf(bounds, 'high'), 'high'),
    confidence: need(numberOf(bounds, 'confidence'), 'confidence'),
    samples: need(countOf(bounds, 'samples'), 'samples'),
  };
}

function referenceOf(event: TrainerEvent, jobId: string): MessageInitShape<typeof ReferenceEvaluationSchema> | undefined {
  const measured = fieldsOf(event, 'reference');
  return measured && {
    jobId,
    loss: need(numberOf(measured, 'loss'), 'reference.loss'),
    perplexity: need(numberOf(measured, 'perplexity'), 'reference.perplexity'),
    margin: need(numberOf(measured, 'margin'), 'reference.margin'),
    marginInterval: intervalOf(measured),
  };
}

function generalOf(event: TrainerEvent): MessageInitShape<typeof GeneralEvaluationSchema> | undefined {
  const measured = fieldsOf(event, 'general');
  if (measured === undefined) return undefined;
  const tuned = need(fieldsOf(need(fieldsOf(measured, 'adapters'), 'general.adapters'), 'tuned'), 'general.adapters.tuned');
  const perplexity = need(numberOf(tuned, 'perplexity'), 'general.adapters.tuned.perplexity');
  const basePerplexity = need(numberOf(need(fieldsOf(measured, 'base'), 'general.base'), 'perplexity'), 'general.base.perplexity');
  return {
    name: need(textOf(measured, 'name'), 'general.name'),
    digest: need(textOf(measured, 'digest'), 'general.digest'),
    perplexity,
    basePerplexity,
    tokens: need(countOf(measured, 'tokens'), 'general.tokens'),
    examples: need(countOf(measured, 'examples'), 'general.examples'),
    increase: perplexity / basePerplexity - 1,
  };
}
