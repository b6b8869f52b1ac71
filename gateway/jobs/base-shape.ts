import { isAbsolute } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { baseModelAggregate } from '../../core/base-model/base-model.ts';
import { TrainSpecSchema, type ModelShape, type TrainSpec } from '../../core/gen/aiforge/v1/task_pb.ts';
import { hubCacheFolder, hubSnapshotFolder } from '../../core/model-files/hub-cache.ts';
import { readModelShape } from '../../core/model-files/read-shape.ts';
import type { Ledger } from '../../core/store/ledger.ts';

/**
 * Reads how large the base model of a new job is, from its folder or this host's cache of the hub; nothing is fetched.
 * @returns undefined where this host does not have its files, and for a model that is made here (see `knownShape`)
 */
export async function readBaseShape({ baseModel, revision }: TrainSpec, env: NodeJS.ProcessEnv = process.env): Promise<ModelShape | undefined> {
  if (isAbsolute(baseModel)) return readModelShape(baseModel);
  const folder = await hubSnapshotFolder(hubCacheFolder(env), baseModel, revision || 'main');
  return folder === undefined ? undefined : readModelShape(folder);
}

/** The same, with what could be read of its base model. */
export async function withBaseShape(spec: TrainSpec): Promise<TrainSpec> {
  const shape = spec.baseModelShape ?? (await readBaseShape(spec));
  return shape === undefined ? spec : create(TrainSpecSchema, { ...spec, baseModelShape: shape });
}

/** What is known of a job's base model: what was read when the job was made, or what was said when the model was pinned. */
export function knownShape({ baseModel, baseModelShape }: TrainSpec, ledger: Pick<Ledger, 'head'>): ModelShape | undefined {
  if (baseModelShape !== undefined) return baseModelShape;
  const base = ledger.head(baseModelAggregate, baseModel).state;
  return base.status === 'pinned' ? base.shape : undefined;
}
