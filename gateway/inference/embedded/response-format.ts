import type { Llama, LlamaGrammar } from 'node-llama-cpp';
import { LlamaJsonSchemaGrammar } from 'node-llama-cpp';
import { invalid } from '../../../core/errors.ts';
import { toGrammarSchema } from './json-schema.ts';

/** What the answer's text has to be. */
export type ResponseFormat = { kind: 'text' } | { kind: 'json' } | { kind: 'schema'; schema: unknown };

const mostSchemaBytes = 64 * 1024;

/** @throws ForgeError invalid_argument */
export function readResponseFormat(value: unknown): ResponseFormat {
  const format = (value ?? { type: 'text' }) as { type?: unknown; json_schema?: { schema?: unknown } | null };
  switch (format.type) {
    case 'text':
      return { kind: 'text' };
    case 'json_object':
      return { kind: 'json' };
    case 'json_schema': {
      const schema = format.json_schema?.schema;
      if (typeof schema !== 'object' || schema === null) throw invalid('response_format', 'json_schema.schema must be a JSON schema');
      if (JSON.stringify(schema).length > mostSchemaBytes) throw invalid('response_format', `json_schema.schema must be at most ${mostSchemaBytes} bytes`);
      return { kind: 'schema', schema: toGrammarSchema(schema, 'json_schema.schema') };
    }
    default:
      throw invalid('response_format', 'type must be text, json_object or json_schema');
  }
}

/** @returns undefined for free text. @throws ForgeError invalid_argument when llama.cpp can't make a grammar of the schema */
export async function grammarOf(llama: Llama, format: ResponseFormat): Promise<LlamaGrammar | undefined> {
  if (format.kind === 'text') return undefined;
  try {
    // An object, as OpenAI has it: not any JSON.
    return new LlamaJsonSchemaGrammar(llama, (format.kind === 'json' ? { type: 'object', additionalProperties: true } : format.schema) as never);
  } catch (error) {
    throw invalid('response_format', `no grammar can be made of the schema: ${(error as Error).message.slice(0, 300)}`);
  }
}
