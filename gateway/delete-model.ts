import { randomUUID } from 'node:crypto';
import { ForgeError } from '../core/errors.ts';
import { modelAggregate, type ModelCommand } from '../core/model/model.ts';
import type { Ledger } from '../core/store/ledger.ts';
import type { InferenceBackend } from './inference/backend.ts';
import { splitModelName } from './models.ts';
import type { DeleteModel, ModelDirectory } from './openai/model-directory.ts';
import { resolveModel } from './openai/models.ts';

/** What was appended comes back by the subscription in milliseconds. */
const appliedMs = 30_000;

interface Deps {
  ledger: Ledger;
  backend: Pick<InferenceBackend, 'kind' | 'available' | 'models' | 'remove'>;
  models: ModelDirectory;
}

/**
 * Deletes a name that a deployment made: the alias, whose versions stay, or a version that the alias does not point to,
 * which goes from the backend too. Streams that run were resolved before, and go on.
 */
export function createDeleteModel({ ledger, backend, models }: Deps): DeleteModel {
  // What is begun is ended, also when the client goes away in the midst of it.
  const execute = async (project: string, command: ModelCommand): Promise<void> => {
    const { version } = await ledger.execute(modelAggregate, project, command, { commandId: randomUUID(), actor: 'client', time: Date.now() });
    await ledger.waitFor(version, AbortSignal.timeout(appliedMs));
  };

  const removeFiles = async (backendName: string): Promise<void> => {
    try {
      await backend.remove(backendName);
    } catch (error) {
      throw new ForgeError('unavailable', `model: "${backendName}" is served no more, but ${backend.kind} still has its files; delete it again`, { field: 'model', cause: error, retryAfterSeconds: 5 });
    }
  };

  return async (name, signal) => {
    const { project, tag } = splitModelName(name);
    const backendName = `${project}:${tag}`;
    const { state } = await ledger.find(modelAggregate, project);
    if (tag !== 'latest' && state.deleted.includes(tag) && (await backend.models(signal)).some((model) => model.name === backendName)) return removeFiles(backendName);
    const found = await resolveModel(models, name);
    if (backend.kind === 'upstream') throw new ForgeError('permission_denied', `model: "${name}" is the upstream server's own; delete it there`, { field: 'model' });
    // Base models are the backend's own: other programs may use them, and AI Forge did not put them there.
    if (state.versions.length === 0) {
      throw new ForgeError('permission_denied', `model: "${name}" is no fine-tuned model but ${backend.kind}'s own; remove it there (with Ollama: ollama rm ${found.backendName})`, { field: 'model' });
    }
    if (tag === 'latest') return execute(project, { type: 'delete-alias' });
    // Nothing changes while the files could not be removed.
    if (!(await backend.available(signal))) throw new ForgeError('unavailable', `${backend.kind} is not running, so its files can't be removed: start it`, { retryAfterSeconds: 5 });
    await execute(project, { type: 'delete-version', jobId: tag });
    await removeFiles(backendName);
  };
}
