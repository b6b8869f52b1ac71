import type { Schema } from '../schema.ts';
import { count, model, object, optional, sampling, stream, text, unixSeconds, whole } from './shared.ts';

const part: Schema = object({ type: text });
const content: Schema = { anyOf: [text, { type: 'array', items: part }] };

const role = (...roles: string[]): Schema => ({ type: 'string', enum: roles });

/** An assistant's turn that only calls tools has no content. */
const message: Schema = {
  anyOf: [
    object({ role: role('system', 'developer', 'user', 'assistant', 'tool', 'function'), content }),
    object({ role: role('assistant'), content: { type: 'null' }, tool_calls: { type: 'array' } }, ['role', 'tool_calls']),
    object({ role: role('assistant'), content: { type: 'null' }, function_call: { type: 'object' } }, ['role', 'function_call']),
  ],
};

export const usage: Schema = object({ prompt_tokens: count, completion_tokens: count, total_tokens: count });

export const chatRequest: Schema = {
  ...object({
    model,
    messages: { type: 'array', minItems: 1, items: message },
    stream,
    max_tokens: optional({ type: 'integer', minimum: 1 }),
    max_completion_tokens: optional({ type: 'integer', minimum: 1 }),
    ...sampling,
  }, ['messages']),
  description: 'As OpenAI documents it: what is not named here is passed on to the backend.',
};

const choice: Schema = object({
  index: whole,
  message: object({ role: text, content: { type: ['string', 'null'] } }, ['role']),
  finish_reason: { type: ['string', 'null'] },
});

export const chatAnswer: Schema = object({
  id: text,
  object: { const: 'chat.completion' },
  created: unixSeconds,
  model: text,
  choices: { type: 'array', items: choice },
  usage,
});
