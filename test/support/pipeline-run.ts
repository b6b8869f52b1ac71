import { join } from 'node:path';
import type { Test } from 'tap';
import type { EventStore } from '../../core/store/event-store.ts';
import { createJetStreamStore } from '../../core/store/jetstream-store.ts';
import { checkPipelines } from './check-pipelines.ts';
import { createJobClient, type JobClient } from './job-client.ts';
import { startStack, type Stack, type StackOptions } from './stack.ts';
import { writeTinyExport } from './tiny-model.ts';

/** The whole service with a backend that serves, to run pipelines on. */
export interface PipelineRun {
  readonly stack: Stack;
  readonly client: JobClient;
  readonly store: EventStore;
  /** Pipelines that the client was told of. */
  readonly told: string[];
  /** Starts a pipeline to the very end, deployment included. @returns its id */
  start(fields?: Record<string, unknown>): Promise<string>;
  /** Follows it to its end. @returns its last status */
  follow(id: string): Promise<string>;
  /** Asserts that all pipelines so far have run once. */
  check(t: Test, what: string): Promise<void>;
}

const shortTraining = { base_model: 'toy/base', max_steps: 12, checkpoint_every_steps: 3 };

export async function startPipelineRun(t: Test, options: StackOptions = {}): Promise<PipelineRun> {
  const stack = await startStack(t, { ...options, env: { FORGE_INFERENCE: 'embedded', FORGE_WATCH_MS: '3600000', ...options.env } });
  await writeTinyExport(join(stack.trainerDir, 'export'));
  const client = createJobClient(stack);
  const store = await createJetStreamStore(stack.connection);
  const told: string[] = [];
  t.teardown(() => {
    if (!t.passing()) t.comment(stack.logs());
  });
  return {
    stack, client, store, told,
    async start(fields = {}) {
      const key = `pipeline-${told.length + 1}`;
      const answer = (await client.post('/v1/retrain', { project_path: 'toy', force: true, auto_deploy: true, training: shortTraining, ...fields }, { 'idempotency-key': key })) as { triggered: boolean; job_id: string; reason: string };
      if (!answer.triggered) throw new Error(`nothing was started: ${answer.reason}`);
      told.push(answer.job_id);
      return answer.job_id;
    },
    follow: (id) => client.follow(id, 120_000),
    async check(t, what) {
      const history = await stack.history();
      if (!t.same([...client.told.oddities, ...checkPipelines(history, told)], [], what)) {
        t.comment(history.map(({ sequence, id, envelope }) => `${sequence} ${id} ${envelope.actor}: ${envelope.events.map(({ kind }) => kind.case).join(', ')}`).join('\n'));
      }
    },
  };
}
