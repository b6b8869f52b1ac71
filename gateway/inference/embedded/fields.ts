import { invalid } from '../../../core/errors.ts';

/** A request's outermost members, not yet checked. */
export type Fields = Readonly<Record<string, unknown>>;

/** @throws ForgeError invalid_argument */
export function readFields(body: Uint8Array): Fields {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body));
  } catch {
    throw invalid('body', 'must be a JSON object in UTF-8');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('body', 'must be a JSON object');
  return value as Fields;
}

/** @throws ForgeError invalid_argument */
export function readModel(fields: Fields): string {
  const model = fields['model'] ?? undefined;
  if (typeof model !== 'string' || model === '') throw invalid('model', model === undefined ? 'is required' : 'must be a non-empty string');
  return model;
}

/** @returns undefined where the field is absent or null. @throws ForgeError invalid_argument */
export function readNumber(fields: Fields, field: string, min: number, max: number): number | undefined {
  const value = fields[field] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !(value >= min && value <= max)) throw invalid(field, `must be a number from ${min} to ${max}`);
  return value;
}

/** @returns undefined where the field is absent or null. @throws ForgeError invalid_argument */
export function readInteger(fields: Fields, field: string, min: number, max = Number.MAX_SAFE_INTEGER): number | undefined {
  const value = fields[field] ?? undefined;
  if (value === undefined) return undefined;
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) throw invalid(field, `must be a whole number ${max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`}`);
  return value as number;
}

/** @returns false where the field is absent or null. @throws ForgeError invalid_argument */
export function readFlag(fields: Fields, field: string): boolean {
  const value = fields[field] ?? false;
  if (typeof value !== 'boolean') throw invalid(field, 'must be true or false');
  return value;
}
