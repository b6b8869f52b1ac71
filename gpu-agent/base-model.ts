import { join } from 'node:path';
import { putTree } from '../core/blobs/tree.ts';
import { TaskFailure, type TaskContext } from '../core/worker/task-runner.ts';
import type { RunnerDeps } from './deps.ts';
import { checkLocalBase, materialize } from './inputs.ts';
import { runTrainer } from './run-trainer.ts';
import { need, textOf } from './trainer-events.ts';

/** The base model for everybody, where no hub can be reached: made once for a data directory, then pinned by an event. */
export const starterName = 'ai-forge/starter';

export interface Pin {
  treeDigest: string;
  baseModelDigest: string;
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

/** @param pin tells the gateways of a starter that was made here; answers with the one that counts (the first) */
export function createBaseModels(deps: RunnerDeps, starter: StarterSettings, pin: (made: Pin, signal: AbortSignal) => Promise<Pin | undefined>): BaseModels {
  async function makeStarter(context: TaskContext): Promise<string | 'stopped'> {
    const output = join(context.workDir, 'starter');
    const result = await runTrainer(deps, context, {
      command: 'starter',
      config: { output_dir: output, corpus_dirs: await starter.corpus(), seconds: starter.seconds, seed: 0, threads: deps.trainer.threads },
    });
    if (result === 'stopped') return 'stopped';
    const treeDigest = await putTree(deps.blobs, need(textOf(result, 'model_dir'), 'model_dir'));
    const pinned = await pin({ treeDigest, baseModelDigest: need(textOf(result, 'digest'), 'digest') }, context.signal);
    return pinned?.treeDigest ?? 'stopped';
  }

  return {
    async resolve(context) {
      const { spec, inputs } = context.assignment;
      const train = spec?.kind.case === 'train' ? spec.kind.value : undefined;
      const name = inputs?.baseModel || train?.baseModel || '';
      if (name === '') throw new TaskFailure('bad_config', 'base_model: the task names none', false);
      if (name !== starterName) {
        await checkLocalBase(name);
        return { model: name, revision: inputs?.revision || train?.revision || null };
      }
      let digest = inputs?.baseModelDigest ?? '';
      // What an adapter was trained on can't be made a second time.
      if (digest === '' && train === undefined) throw new TaskFailure('base_model_missing', `${starterName} was never pinned`, false);
      if (digest === '') digest = await makeStarter(context);
      if (digest === 'stopped') return 'stopped';
      return { model: await materialize(deps.blobs, digest, context.workDir, 'base'), revision: null };
    },
  };
}
