import { ForgeError } from '../../core/errors.ts';
import type { ListedModel, ModelDirectory } from './model-directory.ts';

/** OpenAI's model object. */
export interface OpenAiModel {
  id: string;
  object: 'model';
  created: number;
  owned_by: string;
}

export async function openAiModels(models: ModelDirectory): Promise<{ object: 'list'; data: OpenAiModel[] }> {
  await models.refresh?.();
  return { object: 'list', data: models.list().map(toOpenAi) };
}

/** @throws ForgeError not_found, naming what is there */
export async function openAiModel(models: ModelDirectory, name: string): Promise<OpenAiModel> {
  // A name that chats may use, such as a project's without its tag, is told of too, as itself.
  const find = (): ListedModel | undefined => {
    const list = models.list();
    const backendName = models.resolve(name)?.backendName;
    const found = list.find((model) => model.name === name) ?? list.find((model) => model.backendName === backendName);
    return found && { ...found, name };
  };
  const found = find() ?? (await models.refresh?.(), find());
  if (found === undefined) throw modelNotFound(name, models);
  return toOpenAi(found);
}

/** The model behind a name where it is known already. */
function knownModel(models: ModelDirectory, asked: string | undefined): { name: string; backendName: string } | undefined {
  const name = asked ?? models.active();
  const found = name === undefined ? undefined : models.resolve(name);
  return found === undefined ? undefined : { name: name!, backendName: found.backendName };
}

/**
 * Finds the model of the backend behind a name, for as long as the request lasts: an alias that moves meanwhile changes
 * nothing for it. What is not known is looked for once more, in case it has just come.
 * @throws ForgeError not_found, naming what is there
 */
export async function resolveModel(models: ModelDirectory, asked: string | undefined): Promise<{ name: string; backendName: string }> {
  const known = knownModel(models, asked);
  if (known !== undefined) return known;
  const name = asked ?? models.active();
  if (name === undefined) throw new ForgeError('not_found', 'model: no model is deployed yet; deploy one with POST /deploy/{job_id}', { field: 'model' });
  await models.refresh?.();
  const found = knownModel(models, name);
  if (found === undefined) throw modelNotFound(name, models);
  return found;
}

function modelNotFound(name: string, models: ModelDirectory): ForgeError {
  const names = models.list().map((model) => model.name);
  const shown = names.slice(0, 20).join(', ') + (names.length > 20 ? `, and ${names.length - 20} more` : '');
  const there = names.length === 0 ? 'no model is deployed yet; deploy one with POST /deploy/{job_id}' : `there is ${shown}`;
  return new ForgeError('not_found', `model: "${name}" not found; ${there}`, { field: 'model' });
}

function toOpenAi(model: ListedModel): OpenAiModel {
  return { id: model.name, object: 'model', created: Math.floor(model.createdAt.getTime() / 1000), owned_by: 'ai-forge' };
}
