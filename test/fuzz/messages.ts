import { create, ScalarType, type DescField, type DescMessage, type Message } from '@bufbuild/protobuf';
import type { Random } from './random.ts';

const texts = ['', 'a', 'job_20240117_120000', 'x:latest', '../../etc/passwd', 'é\u0000\n"', 'ai-forge/starter', 'long '.repeat(50), '{"a":1}', '-1', '0', 'http://127.0.0.1:1/x'];
const wholes = [0, 1, -1, 2, 100, 2 ** 31 - 1, -(2 ** 31)];
const longs = [0n, 1n, -1n, 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)];
const reals = [0, 1, -1, 0.5, 1e-9, 1e30, NaN, Infinity];
const maxDepth = 4;

/** A message with some of its fields set, to values that are likely to be at the edge of what is allowed. */
export function randomMessage(desc: DescMessage, random: Random, depth = 0): Message {
  const init: Record<string, unknown> = {};
  for (const field of desc.fields) {
    if (random.chance(0.5) || depth > maxDepth) continue;
    const one = (): unknown => randomValue(field, random, depth);
    const value = field.fieldKind === 'list' ? Array.from({ length: random.below(4) }, one) : field.fieldKind === 'map' ? { 1: one() } : one();
    if (field.oneof === undefined) init[field.localName] = value;
    else init[field.oneof.localName] = { case: field.localName, value };
  }
  return create(desc, init as never);
}

function randomValue(field: DescField, random: Random, depth: number): unknown {
  if (field.enum != null) return random.pick(field.enum.values).number;
  if (field.message != null) return field.message.typeName.startsWith('google.protobuf.') && field.message.typeName !== 'google.protobuf.Timestamp' ? undefined : randomMessage(field.message, random, depth + 1);
  switch (field.scalar) {
    case ScalarType.STRING: return random.pick(texts);
    case ScalarType.BOOL: return random.chance(0.5);
    case ScalarType.BYTES: return Buffer.from(random.pick(texts));
    case ScalarType.DOUBLE: case ScalarType.FLOAT: return random.pick(reals);
    case ScalarType.INT64: case ScalarType.SINT64: case ScalarType.SFIXED64: return random.pick(longs);
    case ScalarType.UINT64: case ScalarType.FIXED64: return BigInt.asUintN(63, random.pick(longs));
    case ScalarType.UINT32: case ScalarType.FIXED32: return Math.abs(random.pick(wholes)) % 2 ** 31;
    default: return random.pick(wholes);
  }
}

const pieces = ['{', '}', '[', ']', '"', ':', ',', '\\u', '\\', 'null', '1e999', '-', '\u0000', '\xff', '"model":', '{"a":'.repeat(40), '\n\n', 'data: '];

/** The bytes with up to four cuts, flips, repeats and pieces put in. */
export function mutate(bytes: Buffer, random: Random): Buffer {
  let result = Buffer.from(bytes);
  for (let left = random.below(5); left > 0; left--) {
    const at = random.below(result.length + 1);
    const to = Math.min(result.length, at + random.below(40));
    switch (random.below(4)) {
      case 0: result = Buffer.concat([result.subarray(0, at), result.subarray(to)]); break;
      case 1: if (at < result.length) result[at] = random.below(256); break;
      case 2: result = Buffer.concat([result.subarray(0, to), result.subarray(at)]); break;
      default: result = Buffer.concat([result.subarray(0, at), Buffer.from(random.pick(pieces), 'latin1'), result.subarray(at)]);
    }
  }
  return result;
}
