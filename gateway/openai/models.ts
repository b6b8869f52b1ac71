import { ForgeError } from '../../core/errors.ts';
import type { ModelDirectory } from './model-directory.ts';

/** OpenAI's model object. */
export interface OpenAiModel {
  id: string;
  object: 'model';
  created: number;
  owned_by: string;
}

export function openAiModels(models: ModelDirectory): { object: 'list'; data: OpenAiModel[] } {
  return { object: 'list', data: models.list().map(toOpenAi) };
}

/** @throws ForgeError not_found, naming what is there */
export function openAiModel(models: ModelDirectory, name: string): OpenAiModel {
  const found = models.list().find((model) => model.name === name);
  if (found === undefined) throw modelNotFound(name, models);
  return toOpenAi(found);
}

/** @throws ForgeError not_found, naming what is there */
export function resolveModel(models: ModelDirectory, asked: string | undefined): { name: string; backendName: string } {
  const name = asked ?? models.active();
  if (name === undefined) throw new ForgeError('not_found', 'model: no model is deployed yet; deploy one with POST /deploy/{job_id}', { field: 'model' });
  const found = models.resolve(name);
  if (found === undefined) throw modelNotFound(name, models);
  return { name, backendName: found.backendName };
}

function modelNotFound(name: string, models: ModelDirectory): ForgeError {
  const names = models.list().map((model) => model.name);
  const shown = names.slice(0, 20).join(', ') + (names.length > 20 ? `, and ${names.length - 20} more` : '');
  const there = names.length === 0 ? 'no model is deployed yet; deploy one with POST /deploy/{job_id}' : `there is ${shown}`;
  return new ForgeError('not_found', `model: "${name}" not found; ${there}`, { field: 'model' });
}

function toOpenAi(model: { name: string; createdAt: Date }): OpenAiModel {
  return { id: model.name, object: 'model', created: Math.floor(model.createdAt.getTime() / 1000), owned_by: 'ai-forge' };
}
