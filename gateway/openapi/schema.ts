/** A JSON Schema (2020-12, as OpenAPI 3.1 has it). */
export interface Schema {
  [keyword: string]: unknown;
}

export interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header';
  required?: boolean;
  description?: string;
  schema: Schema;
}

/** What is sent or answered, by media type. */
export type Content = Record<string, { schema: Schema; example?: unknown }>;

export interface Answer {
  description: string;
  content?: Content;
  headers?: Record<string, unknown>;
}

/** OpenAPI's operation object, as far as it is used here. */
export interface Operation {
  operationId: string;
  summary?: string;
  description?: string;
  tags: string[];
  parameters?: Parameter[];
  requestBody?: { required: boolean; content: Content };
  responses: Record<string, Answer | { $ref: string }>;
}

export const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });
export const json = (schema: Schema, example?: unknown): Content => ({ 'application/json': { schema, ...(example === undefined ? {} : { example }) } });
