import { ScalarType } from '@bufbuild/protobuf';
import { invalid } from '../../core/errors.ts';
import type { Json } from './json-text.ts';

type Scalar = string | number | bigint | boolean | Uint8Array;

const unsigned32 = [0n, 2n ** 32n - 1n] as const;
const signed32 = [-(2n ** 31n), 2n ** 31n - 1n] as const;
const unsigned64 = [0n, 2n ** 64n - 1n] as const;
const signed64 = [-(2n ** 63n), 2n ** 63n - 1n] as const;

/** @throws ForgeError invalid_argument that names the field and what it must be */
export function decodeScalar(type: ScalarType, value: Json, name: string): Scalar {
  switch (type) {
    case ScalarType.STRING:
      if (typeof value !== 'string') throw invalid(name, 'must be a string in double quotes');
      return value;
    case ScalarType.BOOL:
      if (typeof value !== 'boolean') throw invalid(name, 'must be true or false');
      return value;
    case ScalarType.BYTES:
      if (typeof value !== 'string' || !/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value)) throw invalid(name, 'must be a string in base64');
      return Buffer.from(value, 'base64');
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      return decodeNumber(type, value, name);
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return Number(whole(value, unsigned32, name));
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return Number(whole(value, signed32, name));
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return whole(value, unsigned64, name);
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return whole(value, signed64, name);
  }
}

function decodeNumber(type: ScalarType, value: Json, name: string): number {
  if (typeof value !== 'number' && typeof value !== 'bigint') throw invalid(name, 'must be a number, without quotes');
  const number = Number(value);
  if (!Number.isFinite(type === ScalarType.FLOAT ? Math.fround(number) : number)) throw invalid(name, 'is too large for a number');
  return number;
}

/** Also 3.0 and 1e3 are whole; beyond 2^53 only digits are exact. */
function whole(value: Json, [low, high]: readonly [bigint, bigint], name: string): bigint {
  if (typeof value !== 'number' && typeof value !== 'bigint') throw invalid(name, 'must be a whole number, without quotes');
  if (typeof value === 'number' && Number.isFinite(value) && !Number.isInteger(value)) throw invalid(name, 'must be a whole number');
  const exact = typeof value === 'bigint' ? value : Number.isSafeInteger(value) ? BigInt(value) : undefined;
  if (exact === undefined || exact < low || exact > high) throw invalid(name, `must be from ${low} to ${high}`);
  return exact;
}
