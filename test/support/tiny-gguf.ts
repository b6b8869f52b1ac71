/** Writes GGUF files (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), version 3, tensors of 32-bit floats. */
export type GgufValue = number | boolean | string | { float: number } | { strings: string[] } | { floats: number[] } | { integers: number[] };

const alignment = 32;
const types = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 };

export interface GgufTensor {
  name: string;
  /** Fastest dimension first, as GGUF has it. */
  shape: number[];
  data: Float32Array;
}

export function writeGguf(metadata: Record<string, GgufValue>, tensors: readonly GgufTensor[]): Buffer {
  const head: Buffer[] = [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(Object.keys(metadata).length)];
  for (const [key, value] of Object.entries(metadata)) head.push(text(key), encode(value));
  let offset = 0;
  for (const tensor of tensors) {
    head.push(text(tensor.name), u32(tensor.shape.length), ...tensor.shape.map(u64), u32(0), u64(offset));
    offset += padded(tensor.data.byteLength);
  }
  const headBytes = Buffer.concat(head);
  return Buffer.concat([pad(headBytes), ...tensors.map(({ data }) => pad(Buffer.from(data.buffer, data.byteOffset, data.byteLength)))]);
}

function encode(value: GgufValue): Buffer {
  if (typeof value === 'number') return Buffer.concat([u32(types.uint32), u32(value)]);
  if (typeof value === 'boolean') return Buffer.concat([u32(types.bool), Buffer.from([value ? 1 : 0])]);
  if (typeof value === 'string') return Buffer.concat([u32(types.string), text(value)]);
  if ('float' in value) return Buffer.concat([u32(types.float32), f32(value.float)]);
  if ('strings' in value) return array(types.string, value.strings.map(text));
  if ('floats' in value) return array(types.float32, value.floats.map(f32));
  return array(types.int32, value.integers.map(u32));
}

function array(type: number, items: Buffer[]): Buffer {
  return Buffer.concat([u32(types.array), u32(type), u64(items.length), ...items]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(bytes.length), bytes]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function f32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}

function padded(length: number): number {
  return Math.ceil(length / alignment) * alignment;
}

function pad(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(padded(bytes.length) - bytes.length)]);
}
