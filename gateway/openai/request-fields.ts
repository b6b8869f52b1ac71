import { isUtf8 } from 'node:buffer';
import { invalid } from '../../core/errors.ts';

/** A request's outermost members, not yet checked. */
export type Fields = Readonly<Record<string, unknown>>;

/** What the gateway needs to know of a request for an answer; the rest is the backend's business. */
export interface RequestHead {
  /** Undefined: the active model. */
  model: string | undefined;
  stream: boolean;
  /** All of the request's outermost members. */
  fields: Fields;
}

/**
 * Reads what all requests have.
 * @throws ForgeError invalid_argument, naming the field
 */
export function parseHead(body: Uint8Array): RequestHead {
  const fields = readFields(body);
  const { model, stream } = fields;
  if (model !== undefined && (typeof model !== 'string' || model === '')) throw invalid('model', 'must be a non-empty string');
  if (stream !== undefined && stream !== null && typeof stream !== 'boolean') throw invalid('stream', 'must be true or false');
  return { model, stream: stream === true, fields };
}

/** @throws ForgeError invalid_argument */
export function readFields(body: Uint8Array): Fields {
  let value: unknown;
  try {
    value = JSON.parse(asUtf8(body));
  } catch {
    throw invalid('body', 'must be a JSON object in UTF-8');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('body', 'must be a JSON object');
  return value as Fields;
}

/** @throws TypeError where it is not UTF-8 */
function asUtf8(body: Uint8Array): string {
  if (!isUtf8(body)) throw new TypeError('not UTF-8');
  return Buffer.from(body.buffer, body.byteOffset, body.length).toString();
}

/** The sampling that chat and completions share. */
export function checkSampling(fields: Fields): void {
  readNumber(fields, 'temperature', 0, 2);
  readNumber(fields, 'top_p', 0, 1);
  checkInteger(fields, 'seed', Number.MIN_SAFE_INTEGER);
  checkStop(fields['stop']);
}

/** @returns undefined where the field is absent or null. @throws ForgeError invalid_argument */
export function readNumber(fields: Fields, field: string, min: number, max: number): number | undefined {
  const value = fields[field] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !(value >= min && value <= max)) throw invalid(field, `must be a number from ${min} to ${max}`);
  return value;
}

export function checkInteger(fields: Fields, field: string, min: number): void {
  const value = fields[field] ?? undefined;
  if (value === undefined) return;
  if (!Number.isInteger(value) || (value as number) < min) throw invalid(field, min >= 0 ? `must be a whole number of at least ${min}` : 'must be a whole number');
}

export function checkText(fields: Fields, field: string): void {
  const value = fields[field] ?? undefined;
  if (value !== undefined && typeof value !== 'string') throw invalid(field, 'must be a string');
}

/** Whether the value is a list of a tokenizer's ids. */
export function isTokenIds(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every((id) => Number.isInteger(id) && id >= 0);
}

function checkStop(stop: unknown): void {
  if (stop === undefined || stop === null || typeof stop === 'string') return;
  if (!Array.isArray(stop) || stop.length > 16 || !stop.every((s) => typeof s === 'string')) throw invalid('stop', 'must be a string or a list of at most 16 strings');
}
