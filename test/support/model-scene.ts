import { randomUUID } from 'node:crypto';
import type { Test } from 'tap';
import { silentLogger } from '../../core/logger.ts';
import { modelAggregate, type ModelCommand } from '../../core/model/model.ts';
import { Ledger } from '../../core/store/ledger.ts';
import { createMemoryStore } from '../../core/store/memory-store.ts';
import { createBackendModels } from '../../gateway/backend-models.ts';
import { createDeleteModel } from '../../gateway/delete-model.ts';
import type { InferenceBackend } from '../../gateway/inference/backend.ts';
import { createModelDirectory } from '../../gateway/models.ts';
import { startLane, type ChatLane } from './chat-lane.ts';

export interface ModelScene {
  ledger: Ledger;
  lane: ChatLane;
  /** Makes `<project>:<job id>`, which the backend has, what `<project>:latest` points to. */
  promote(project: string, jobId: string): Promise<void>;
}

/** The lane over a real fold, in memory, of what is deployed to the backend. */
export async function startModelScene(t: Pick<Test, 'teardown'>, backend: InferenceBackend): Promise<ModelScene> {
  const ledger = new Ledger({ store: createMemoryStore(), aggregates: [modelAggregate] as never, logger: silentLogger });
  await ledger.start();
  t.teardown(() => ledger.stop());
  const models = createModelDirectory(ledger, (kind) => kind === backend.kind, createBackendModels(backend));
  const lane = await startLane(t, backend, models, createDeleteModel({ ledger, backend, models }));
  return {
    ledger,
    lane,
    async promote(project, jobId) {
      const execute = (command: ModelCommand) => ledger.execute(modelAggregate, project, command, { commandId: randomUUID(), actor: 'test', time: Date.now() });
      const taskId = randomUUID();
      await execute({ type: 'request-deploy', jobId, taskId });
      await execute({ type: 'create-version', jobId, ggufDigest: jobId, backend: backend.kind, backendDigest: 'd' });
      const { version } = await execute({ type: 'promote', jobId, taskId });
      await ledger.waitFor(version);
    },
  };
}
