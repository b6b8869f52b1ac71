import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { putTree, readTree } from '../../core/blobs/tree.ts';
import { TaskFailure, type TaskRunner } from '../../core/worker/task-runner.ts';
import type { BaseModels } from '../base-model.ts';
import type { RunnerDeps } from '../deps.ts';
import { materialize } from '../inputs.ts';
import type { LlamaTools } from '../llama-tools.ts';
import { runTrainer } from '../run-trainer.ts';
import { need, textOf, type TrainerEvent } from '../trainer-events.ts';

/** Merges adapter and base and converts them: adapter in, a tree with `model.gguf` and `export.json` out. */
export function createExportRunner(deps: RunnerDeps, baseModels: BaseModels, tools: LlamaTools): TaskRunner {
  return async (context) => {
    const { spec, inputs } = context.assignment;
    if (spec?.kind.case !== 'export' || inputs === undefined) throw new TaskFailure('bad_config', 'the task is no export', false);
    const base = await baseModels.resolve(context);
    if (base === 'stopped') return 'stopped';
    const blobs = deps.blobsFor(context);
    const adapter = await materialize(blobs, inputs.adapterDigest, context.workDir, 'adapter');
    const outcome = await runTrainer(deps, context, {
      command: 'export',
      config: {
        base_model: base.model,
        revision: base.revision,
        expected_base_model_digest: inputs.trainedBaseModelDigest || null,
        adapter_dir: adapter,
        output_dir: join(context.workDir, 'output'),
        gguf_quantization: spec.kind.value.ggufQuantization || 'Q4_K_M',
        llama_library_dir: tools.libraryDir,
        converter_dir: tools.converterDir,
        threads: deps.trainer.threads,
        device: 'cpu',
      },
    });
    if (outcome === 'stopped') return 'stopped';
    const tree = join(context.workDir, 'export');
    await mkdir(tree);
    await rename(need(textOf(outcome, 'gguf_path'), 'gguf_path'), join(tree, 'model.gguf'));
    await writeFile(join(tree, 'export.json'), JSON.stringify(record(outcome), null, 2));
    const exportDigest = await putTree(blobs, tree);
    const gguf = (await readTree(blobs, exportDigest)).files.find((file) => file.path === 'model.gguf')!;
    if (gguf.digest !== textOf(outcome, 'gguf_sha256')) throw new TaskFailure('internal', 'the GGUF was altered after the trainer had hashed it', true);
    const quantization = textOf(outcome, 'quantization') ?? spec.kind.value.ggufQuantization;
    return { kind: { case: 'export', value: { exportDigest, ggufDigest: gguf.digest, ggufSize: BigInt(gguf.size), quantization } } };
  };
}

/** What the trainer said of the model, without what only holds in this attempt's folder. */
function record(event: TrainerEvent): Record<string, unknown> {
  const { type: _type, gguf_path: _gguf, f16_path: _f16, ...rest } = event;
  return rest;
}
