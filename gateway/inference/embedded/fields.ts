import { invalid } from '../../../core/errors.ts';
import type { Fields } from '../../openai/request-fields.ts';

/** @throws ForgeError invalid_argument */
export function readModel(fields: Fields): string {
  const model = fields['model'] ?? undefined;
  if (typeof model !== 'string' || model === '') throw invalid('model', model === undefined ? 'is required' : 'must be a non-empty string');
  return model;
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
