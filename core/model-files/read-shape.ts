import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelShape } from '../gen/aiforge/v1/task_pb.ts';
import { modelShapeOf, type TensorShape } from '../training/model-shape.ts';
import { readTensorShapes } from './safetensors.ts';

const maxConfigBytes = 4 << 20;
const maxShards = 1_000;

/**
 * How large a model in a folder is: by its config.json and the headers of its safetensors files.
 * @returns undefined where it can't be told from them
 */
export async function readModelShape(dir: string): Promise<ModelShape | undefined> {
  try {
    const path = join(dir, 'config.json');
    const found = await stat(path);
    if (!found.isFile() || found.size > maxConfigBytes) return undefined;
    const config: unknown = JSON.parse(await readFile(path, 'utf8'));
    const shards = (await readdir(dir)).filter((name) => name.endsWith('.safetensors')).slice(0, maxShards);
    const tensors: TensorShape[] = [];
    for (const name of shards) {
      // A hub's file is a link into its cache; what it leads to counts.
      const held = (await stat(join(dir, name))).isFile() ? await readTensorShapes(join(dir, name)) : undefined;
      if (held === undefined) return undefined;
      tensors.push(...held);
    }
    return modelShapeOf(config, tensors);
  } catch {
    // Not there, not to be read here, or no JSON: all the same to who asks how large it is.
    return undefined;
  }
}
