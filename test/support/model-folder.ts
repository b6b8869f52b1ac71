import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Writes a model's folder, as far as its size is told by it: no weights. */
export async function writeModelFolder(dir: string, { hidden, layers }: { hidden: number; layers: number }): Promise<void> {
  const linear = (layer: number, name: string): [string, object] => [`model.layers.${layer}.${name}.weight`, { dtype: 'F32', shape: [hidden, hidden], data_offsets: [0, 0] }];
  const tensors = Object.fromEntries([
    ['__metadata__', { format: 'pt' }],
    ['model.embed_tokens.weight', { dtype: 'F32', shape: [1000, hidden], data_offsets: [0, 0] }],
    ...Array.from({ length: layers }, (_, layer) => [linear(layer, 'self_attn.q_proj'), linear(layer, 'mlp.down_proj')]).flat(),
  ]);
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'config.json'), JSON.stringify({ hidden_size: hidden, num_hidden_layers: layers, vocab_size: 1000 }));
  await writeFile(join(dir, 'model.safetensors'), safetensors(JSON.stringify(tensors)));
}

/** A file of that header and nothing behind it. */
export function safetensors(header: string, length = BigInt(Buffer.byteLength(header))): Buffer {
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length);
  return Buffer.concat([prefix, Buffer.from(header)]);
}
