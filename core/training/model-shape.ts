import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { ModelShapeSchema, type LinearShapeSchema, type ModelShape } from '../gen/aiforge/v1/task_pb.ts';

/** A tensor of a model's files, by its name in the checkpoint. */
export interface TensorShape {
  name: string;
  shape: readonly number[];
}

/** Fields of config.json that say that not all of the weights take part in each token, or that they are held in other ways. */
const otherKinds = ['quantization_config', 'vision_config', 'audio_config', 'num_experts', 'num_local_experts', 'n_routed_experts'] as const;

/**
 * The shape of a dense decoder, from its config.json (`hidden_size`, `num_hidden_layers`, `vocab_size`) and the list of
 * its tensors. The matrices inside the numbered layers are those that PEFT adapts by `all-linear`.
 * @returns undefined for what is no such model, or does not say it: what is not known is not guessed
 */
export function modelShapeOf(config: unknown, tensors: readonly TensorShape[]): ModelShape | undefined {
  if (typeof config !== 'object' || config === null) return undefined;
  const fields = config as Record<string, unknown>;
  if (otherKinds.some((name) => fields[name] !== undefined && fields[name] !== null && fields[name] !== 0 && fields[name] !== 1)) return undefined;
  const [hiddenSize, layers, vocabulary] = ['hidden_size', 'num_hidden_layers', 'vocab_size'].map((name) => count(fields[name]));
  if (hiddenSize === undefined || layers === undefined || vocabulary === undefined) return undefined;

  let parameters = 0;
  const linears = new Map<string, MessageInitShape<typeof LinearShapeSchema> & { count: number }>();
  for (const { name, shape } of tensors) {
    parameters += shape.reduce((product, side) => product * side, 1);
    const linear = /\.\d+\.(?:.*\.)?([A-Za-z0-9_]+)\.weight$/.exec(name)?.[1];
    if (linear === undefined || shape.length !== 2) continue;
    const [outFeatures, inFeatures] = shape as [number, number];
    const key = `${linear} ${outFeatures} ${inFeatures}`;
    const known = linears.get(key);
    if (known === undefined) linears.set(key, { name: linear, inFeatures, outFeatures, count: 1 });
    else known.count += 1;
  }
  if (linears.size === 0 || !Number.isSafeInteger(parameters)) return undefined;
  return create(ModelShapeSchema, { parameters: BigInt(parameters), hiddenSize, layers, vocabulary, linears: [...linears.values()] });
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 2 ** 32 ? value : undefined;
}
