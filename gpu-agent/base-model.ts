import { join } from 'node:path';
import type { BlobStore } from '../core/blobs/blob-store.ts';
import { putTree } from '../core/blobs/tree.ts';
import type { ModelShape } from '../core/gen/aiforge/v1/task_pb.ts';
import { readModelShape } from '../core/model-files/read-shape.ts';
import { TaskFailure, type TaskContext } from '../core/worker/task-runner.ts';
import type { RunnerDeps } from './deps.ts';
import { checkLocalBase, materialize, type InputName } from './inputs.ts';
import { runTrainer } from './run-trainer.ts';
import { need, textOf } from './trainer-events.ts';

/** The base model for everybody, where no hub can be reached: made once for a data directory, then pinned by an event. */
export const starterName = 'ai-forge/starter';

export interface Pin {
  treeDigest: string;
  baseModelDigest: string;
}

/** A starter that was made here. */
export interface Made extends Pin {
  shape: ModelShape | undefined;
}

export interface StarterSettings {
  seconds: number;
  /** Folders of source text to pre-train on. */
  corpus(): Promise<string[]>;
}

export interface BaseModel {
  /** A folder, or an id of the hub. */
  model: string;
  revision: string | null;
}

export interface BaseModels {
  /** @throws TaskFailure base_model_missing */
  resolve(context: TaskContext): Promise<BaseModel | 'stopped'>;
}

/**
 * A base model that is there already, by its name; a starter's tree is written into the work folder.
 * @throws TaskFailure base_model_missing, input_missing
 */
export async function namedBase(blobs: BlobStore, of: { baseModel: string; revision: string; baseModelDigest: string }, workDir: string, name: InputName): Promise<BaseModel> {
  if (of.baseModel === '') throw new TaskFailure('bad_config', `base_model: the task names none for the ${name}`, false);
  if (of.baseModel === starterName) {
    // What an adapter was trained on can't be made a second time.
    if (of.baseModelDigest === '') throw new TaskFailure('base_model_missing', `${starterName} was never pinned`, false);
    return { model: await materialize(blobs, of.baseModelDigest, workDir, name), revision: null };
  }
  await checkLocalBase(of.baseModel);
  return { model: of.baseModel, revision: of.revision || null };
}

/** @param pin tells the gateways of a starter that was made here; answers with the one that counts (the first) */
export function createBaseModels(deps: RunnerDeps, starter: StarterSettings, pin: (made: Made, signal: AbortSignal) => Promise<Pin | undefined>): BaseModels {
  async function makeStarter(context: TaskContext): Promise<string | 'stopped'> {
    const output = join(context.workDir, 'starter');
    const result = await runTrainer(deps, context, {
      command: 'starter',
      config: { output_dir: output, corpus_dirs: await starter.corpus(), seconds: starter.seconds, seed: 0, threads: deps.trainer.threads },
    });
    if (result === 'stopped') return 'stopped';
    const modelDir = need(textOf(result, 'model_dir'), 'model_dir');
    const [treeDigest, shape] = await Promise.all([putTree(deps.blobsFor(context), modelDir), readModelShape(modelDir)]);
    const pinned = await pin({ treeDigest, baseModelDigest: need(textOf(result, 'digest'), 'digest'), shape }, context.signal);
    return pinned?.treeDigest ?? 'stopped';
  }

  return {
    async resolve(context) {
      const { spec, inputs } = context.assignment;
      const train = spec?.kind.case === 'train' ? spec.kind.value : undefined;
      const baseModel = inputs?.baseModel || train?.baseModel || '';
      const revision = inputs?.revision || train?.revision || '';
      let baseModelDigest = inputs?.baseModelDigest ?? '';
      if (baseModel === starterName && baseModelDigest === '' && train !== undefined) baseModelDigest = await makeStarter(context);
      if (baseModelDigest === 'stopped') return 'stopped';
      return namedBase(deps.blobsFor(context), { baseModel, revision, baseModelDigest }, context.workDir, 'base');
    },
  };
}
