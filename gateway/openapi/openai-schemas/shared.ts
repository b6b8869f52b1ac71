import type { Schema } from '../schema.ts';

/** The pieces that many requests share. `null` means the same as leaving out. */
export const optional = (schema: Schema): Schema => (Array.isArray(schema['type']) || typeof schema['type'] !== 'string' ? { anyOf: [schema, { type: 'null' }] } : { ...schema, type: [schema['type'], 'null'] });

export const text: Schema = { type: 'string' };
export const whole: Schema = { type: 'integer' };
export const count: Schema = { type: 'integer', minimum: 0 };
export const flag: Schema = { type: 'boolean' };
export const unixSeconds: Schema = { type: 'integer', description: 'Unix time in seconds.' };
export const tokenIds: Schema = { type: 'array', minItems: 1, items: count };

/** The active model where it is left out. */
export const model: Schema = { type: 'string', minLength: 1, description: 'A name of GET /v1/models; absent: the active model.' };

export const stream: Schema = optional({ type: 'boolean', description: 'Server-sent events, the last of which is `[DONE]`.' });

export const sampling: Record<string, Schema> = {
  temperature: optional({ type: 'number', minimum: 0, maximum: 2 }),
  top_p: optional({ type: 'number', minimum: 0, maximum: 1 }),
  seed: optional({ type: 'integer', minimum: Number.MIN_SAFE_INTEGER }),
  stop: { anyOf: [text, { type: 'array', maxItems: 16, items: text }, { type: 'null' }] },
};

/** An object; fields that are not named pass. */
export function object(properties: Record<string, Schema>, required: readonly string[] = Object.keys(properties)): Schema {
  return { type: 'object', properties, ...(required.length === 0 ? {} : { required }) };
}

/** OpenAI's lists by cursor. */
export function list(items: Schema, paged: boolean): Schema {
  return object({ object: { const: 'list' }, data: { type: 'array', items }, ...(paged ? { has_more: flag } : {}) });
}

/** Cursor paging. */
export const after: Schema = { type: 'string', description: 'Id of the last item of the page before; empty: from the start.' };
