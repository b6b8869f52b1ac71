import type { Schema } from '../schema.ts';
import { count, object, optional, text, unixSeconds } from './shared.ts';

const auto = (schema: Schema): Schema => ({ anyOf: [{ const: 'auto' }, schema] });
const pairs: Schema = { type: 'object', maxProperties: 16, additionalProperties: { type: 'string', maxLength: 512 } };

const hyperparameters: Schema = object({
  n_epochs: auto({ type: 'integer', minimum: 1 }),
  batch_size: auto({ type: 'integer', minimum: 1 }),
  learning_rate_multiplier: auto({ type: 'number', exclusiveMinimum: 0 }),
}, []);

export const fineTuningRequest: Schema = object({
  model: { type: 'string', minLength: 1, description: 'Base model: a Hugging Face id, local directory, or `ai-forge/starter`.' },
  training_file: { type: 'string', minLength: 1, description: 'Id of an uploaded file.' },
  validation_file: optional(text),
  method: optional(object({ type: { type: 'string', enum: ['supervised'] }, supervised: optional(object({ hyperparameters }, [])) }, ['type'])),
  hyperparameters: optional(hyperparameters),
  suffix: optional({ type: 'string', minLength: 1, maxLength: 64 }),
  seed: optional(count),
  metadata: optional(pairs),
}, ['model', 'training_file']);

export const fineTuningJob: Schema = object({
  id: text,
  object: { const: 'fine_tuning.job' },
  created_at: unixSeconds,
  finished_at: { type: ['integer', 'null'] },
  status: { type: 'string', enum: ['validating_files', 'queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled'] },
  model: text,
  fine_tuned_model: { type: ['string', 'null'] },
  training_file: text,
  validation_file: { type: ['string', 'null'] },
  hyperparameters: { type: 'object' },
  trained_tokens: { type: ['integer', 'null'] },
  result_files: { type: 'array', items: text },
  error: { type: ['object', 'null'] },
  seed: count,
});

export const fineTuningEvent: Schema = object({
  id: text,
  object: { const: 'fine_tuning.job.event' },
  created_at: unixSeconds,
  level: { type: 'string', enum: ['info', 'warn', 'error'] },
  message: text,
});

export const fineTuningCheckpoint: Schema = object({
  id: text,
  object: { const: 'fine_tuning.job.checkpoint' },
  created_at: unixSeconds,
  fine_tuning_job_id: text,
  fine_tuned_model_checkpoint: text,
  step_number: count,
  metrics: { type: 'object' },
});
