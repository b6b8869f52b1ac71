import { open } from 'node:fs/promises';
import type { TensorShape } from '../training/model-shape.ts';

/** The format allows 100 MB; a large model's header has less than one. */
const maxHeaderBytes = 16 << 20;

/**
 * Reads which tensors a safetensors file holds, and none of their values. The format: 8 bytes with the header's length,
 * little endian, then the header as JSON (https://github.com/huggingface/safetensors#format).
 * @returns undefined for what is no such file
 */
export async function readTensorShapes(path: string): Promise<TensorShape[] | undefined> {
  const file = await open(path, 'r');
  try {
    if (!(await file.stat()).isFile()) return undefined;
    const prefix = await file.read(Buffer.alloc(8), 0, 8, 0);
    if (prefix.bytesRead < 8) return undefined;
    const length = prefix.buffer.readBigUInt64LE();
    if (length > maxHeaderBytes) return undefined;
    const header = Buffer.alloc(Number(length));
    if ((await file.read(header, 0, header.length, 8)).bytesRead < header.length) return undefined;
    return tensorsOf(header.toString('utf8'));
  } finally {
    await file.close();
  }
}

function tensorsOf(text: string): TensorShape[] | undefined {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof header !== 'object' || header === null) return undefined;
  const tensors: TensorShape[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const shape: unknown = (entry as { shape?: unknown } | null)?.shape;
    if (!Array.isArray(shape) || !shape.every((side) => Number.isSafeInteger(side) && side >= 0)) return undefined;
    tensors.push({ name, shape: shape as number[] });
  }
  return tensors;
}
