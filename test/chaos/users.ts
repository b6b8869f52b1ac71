import { setTimeout } from 'node:timers/promises';
import { createJobClient, type JobClient } from '../support/job-client.ts';
import type { Promised } from '../support/check-outcomes.ts';
import type { Fleet } from './fleet.ts';
import type { PlannedJob } from './plan.ts';

/** Longest that a job may take, with everything that happens to it and all that waits before it. */
const followMs = 12 * 60_000;
const backOffMs = 100;
const lookAgainMs = 300;
const answerMs = 15_000;

const real = { base_model: 'ai-forge/starter', max_seq_length: 128, gradient_accumulation: 1, rank: 4, use_pissa: true, checkpoint_every_steps: 2 };
/** Of a scripted training. */
const checkpoints = 8;

/** What the users of a campaign were told, and what they did. */
export interface Users {
  readonly told: Promised;
  readonly client: JobClient;
  /** Orders that were carried out, by name, and those that came too late for the state that the job was in. */
  readonly orders: Record<string, { done: number; late: number }>;
  /** Has a job done, whatever happens. @param key of its submission */
  run(key: string, plan: PlannedJob): Promise<void>;
}

/** Users that ask either gateway, and the other one when there is no answer. @param random from 0 up to 1 */
export function createUsers(fleet: Pick<Fleet, 'urls' | 'logs'>, random: () => number): Users {
  const anyUrl = (): string => fleet.urls[Math.floor(random() * fleet.urls.length)]!;
  const client = createJobClient({
    get url() {
      return anyUrl();
    },
    // There are two, and whoever listens at neither is asked again.
    gateway: { ready: async () => '' },
    logs: () => fleet.logs(),
  });
  const told: Promised = { acknowledged: client.told.acknowledged as Map<string, string>, ends: [] };
  const orders: Record<string, { done: number; late: number }> = {};

  /** `POST`s until it is carried out or refused for good. */
  async function order(name: string, path: string): Promise<void> {
    const count = (orders[name] ??= { done: 0, late: 0 });
    const deadline = performance.now() + followMs;
    for (let last = 0; ; ) {
      if (performance.now() > deadline) throw new Error(`${path} was answered with ${last} for ${followMs / 1_000} s`);
      const status = await fetch(`${anyUrl()}${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}', signal: AbortSignal.timeout(answerMs) }).then(
        async (response) => {
          await response.arrayBuffer();
          return response.status;
        },
        () => 0,
      );
      // 202: it is still at it; 503 and silence: a part is away.
      if (status !== 0 && status !== 202 && status !== 503) {
        count[status === 200 ? 'done' : 'late'] += 1;
        return;
      }
      last = status;
      await setTimeout(backOffMs);
    }
  }

  /** @param over aborts when the job has ended */
  async function meddle(jobId: string, { user, userAfterMs }: PlannedJob, over: AbortSignal): Promise<void> {
    if (user !== 'pauses' && user !== 'cancels') return;
    await setTimeout(userAfterMs);
    if (user === 'cancels') return order('cancel', `/v1/fine-tune/${jobId}/cancel`);
    await order('pause', `/v1/fine-tune/${jobId}/pause`);
    // Until the trainer has saved there is nothing to resume, and the gateway that is asked may not have heard of the pause yet.
    while (!over.aborted) {
      const job = await client.get(`/status/${jobId}`);
      if (job.status === 'paused') await order('resume', `/v1/fine-tune/${jobId}/resume`);
      await setTimeout(lookAgainMs);
    }
  }

  return {
    told, client, orders,
    async run(key, plan) {
      const fields = { max_steps: plan.steps, ...(plan.trainer === 'real' ? real : { checkpoint_every_steps: plan.steps / checkpoints }) };
      const [jobId] = await Promise.all([client.submit(key, fields), plan.user === 'submits twice' ? client.submit(key, fields) : undefined]);
      const over = new AbortController();
      const followed = client.follow(jobId, followMs).finally(() => over.abort());
      const [status] = await Promise.all([followed, meddle(jobId, plan, over.signal)]);
      told.ends.push({ jobId, status });
      if (status === 'completed' && plan.user === 'validates') await order('validate', `/validate/${jobId}`);
    },
  };
}
