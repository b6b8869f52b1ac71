import type { Test } from 'tap';
import type { EventStore, StoredEnvelope } from '../../core/store/event-store.ts';
import { createJetStreamStore } from '../../core/store/jetstream-store.ts';
import { checkStream, readHistory } from './check-stream.ts';
import { checkTrained, trainedState } from './check-training.ts';
import { createJobClient, type JobClient } from './job-client.ts';
import { startStack, type Stack, type StackOptions } from './stack.ts';

export const steps = 12;

/** A stack, a client, and the check at the end; each job gets a key of its own. */
export interface FaultRun {
  readonly stack: Stack;
  readonly client: JobClient;
  readonly store: EventStore;
  /** Submits a job and follows it to its end, whatever happens on the way. @returns its id */
  job(): Promise<string>;
  /** Asserts that every promise holds for all jobs so far. @returns the stream's envelopes */
  check(t: Test, what: string): Promise<StoredEnvelope[]>;
}

export async function startFaultRun(t: Test, options?: StackOptions): Promise<FaultRun> {
  const stack = await startStack(t, options);
  const client = createJobClient(stack);
  const store = await createJetStreamStore(stack.connection);
  const kept: string[] = [];
  t.teardown(() => {
    if (!t.passing()) t.comment(stack.logs());
  });
  return {
    stack, client, store,
    async job() {
      const key = `key-${client.told.acknowledged.size + 1}`;
      const jobId = await client.submit(key);
      await client.follow(jobId);
      // An answer that was lost is asked for again by a client, even after the end.
      await client.submit(key);
      return jobId;
    },
    async check(t, what) {
      const listed = await listAll(client);
      const history = await readHistory(store);
      const problems = await checkStream(history, client.told, listed);
      for (const jobId of client.told.acknowledged.values()) {
        if (kept.includes(jobId)) continue;
        kept.push(jobId);
        const trained = await trainedState(stack.blobs, history, jobId);
        problems.push(...(trained === undefined ? ['it has no result'] : checkTrained(trained, steps)).map((problem) => `${jobId}: ${problem}`));
      }
      if (!t.same(problems, [], what)) t.comment(history.map(describe).join('\n'));
      return history;
    },
  };
}

function describe({ sequence, id, envelope }: StoredEnvelope): string {
  const events = envelope.events.map(({ kind }) => `${kind.case}${kind.case === 'attemptEnded' ? ` (${kind.value.code}: ${kind.value.reason.slice(0, 200)})` : ''}`);
  return `${sequence} ${id} ${envelope.actor}: ${events.join(', ')}`;
}

async function listAll(client: JobClient): Promise<unknown[]> {
  const jobs: unknown[] = [];
  for (let token = ''; ; ) {
    const page = (await client.get(`/v1/fine-tune?page_size=100${token === '' ? '' : `&page_token=${token}`}`)) as { jobs: unknown[]; next_page_token?: string };
    jobs.push(...page.jobs);
    if (!page.next_page_token) return jobs;
    token = page.next_page_token;
  }
}
