import { join } from 'node:path';
import { putTree } from '../../core/blobs/tree.ts';
import type { Inputs } from '../../core/gen/aiforge/v1/task_pb.ts';
import { TaskFailure, type RunnerResult, type TaskRunner } from '../../core/worker/task-runner.ts';
import { starterName, type BaseModels } from '../base-model.ts';
import type { RunnerDeps } from '../deps.ts';
import { fileIn, materialize } from '../inputs.ts';
import { runTrainer } from '../run-trainer.ts';
import { countOf, fieldsOf, need, numberOf, type TrainerEvent } from '../trainer-events.ts';

/** Measures base and tuned model on the held-out rows: adapter and dataset in, numbers and a report tree out. */
export function createEvaluateRunner(deps: RunnerDeps, baseModels: BaseModels): TaskRunner {
  return async (context) => {
    const { spec, inputs } = context.assignment;
    if (spec?.kind.case !== 'evaluate' || inputs === undefined) throw new TaskFailure('bad_config', 'the task is no evaluation', false);
    const base = await baseModels.resolve(context);
    if (base === 'stopped') return 'stopped';
    const adapter = await materialize(deps.blobs, inputs.adapterDigest, context.workDir, 'adapter');
    const dataset = await materialize(deps.blobs, inputs.datasetDigest, context.workDir, 'dataset');
    const heldout = await fileIn(dataset, 'heldout.jsonl');
    if (heldout === undefined) throw new TaskFailure('bad_dataset', 'the dataset has no held-out rows to evaluate on', false);
    const output = join(context.workDir, 'report');
    const set = inputs.hyperparameters;
    const outcome = await runTrainer(deps, context, {
      command: 'evaluate',
      config: {
        base_model: base.model,
        revision: base.revision,
        expected_base_model_digest: inputs.trainedBaseModelDigest || null,
        adapters: { tuned: adapter },
        heldout_file: heldout,
        output_dir: output,
        metrics_file: (await fileIn(adapter, 'metrics.jsonl')) ?? null,
        title: `${inputs.project} ${spec.kind.value.jobId}`.trim(),
        lineage: lineage(spec.kind.value.jobId, inputs),
        threads: deps.trainer.threads,
        device: context.slot.gpuIndex === undefined ? 'cpu' : 'auto',
        ...(set === undefined ? {} : { seed: Number(set.seed), ...(set.maxSeqLength > 0 ? { max_seq_length: set.maxSeqLength } : {}) }),
      },
    });
    return outcome === 'stopped' ? 'stopped' : evaluateResult(outcome, await putTree(deps.blobs, output));
  };
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

function evaluateResult(event: TrainerEvent, reportDigest: string): RunnerResult {
  const base = need(fieldsOf(event, 'base'), 'base');
  const tuned = need(fieldsOf(need(fieldsOf(event, 'adapters'), 'adapters'), 'tuned'), 'adapters.tuned');
  const bounds = fieldsOf(tuned, 'bootstrap');
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
        marginInterval: bounds && {
          low: need(numberOf(bounds, 'low'), 'low'),
          high: need(numberOf(bounds, 'high'), 'high'),
          confidence: need(numberOf(bounds, 'confidence'), 'confidence'),
          samples: need(countOf(bounds, 'samples'), 'samples'),
        },
        reportDigest,
      },
    },
  };
}
