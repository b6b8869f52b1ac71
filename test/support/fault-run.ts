import type { Test } from 'tap';
import type { StoredEnvelope } from '../../core/store/event-store.ts';
import { checkStream } from './check-stream.ts';
import { checkTrained, trainedState } from './check-training.ts';
import { createJobClient, type JobClient } from './job-client.ts';
import { startStack, type Stack, type StackOptions } from './stack.ts';

/** What a job asks for unless a test says otherwise. */
const shortTraining = { max_steps: 12, checkpoint_every_steps: 3 };

/** A stack, a client, and the check at the end; each job gets a key of its own. */
export interface FaultRun {
  readonly stack: Stack;
  readonly client: JobClient;
  /** Submits a job and follows it to its end, whatever happens on the way. @returns its id */
  job(training?: typeof shortTraining): Promise<string>;
  /** Asserts that every promise holds for all jobs so far. @returns the stream's envelopes */
  check(t: Test, what: string): Promise<StoredEnvelope[]>;
}

export async function startFaultRun(t: Test, options?: StackOptions): Promise<FaultRun> {
  const stack = await startStack(t, options);
  const client = createJobClient(stack);
  /** Of the jobs whose adapters are still to be looked at. */
  const steps = new Map<string, number>();
  let submitted = 0;
  t.teardown(() => {
    if (!t.passing()) t.comment(stack.logs());
  });
  return {
    stack, client,
    async job(training = shortTraining) {
      const key = `key-${(submitted += 1)}`;
      const jobId = await client.submit(key, training);
      steps.set(jobId, training.max_steps);
      await client.follow(jobId);
      // An answer that was lost is asked for again by a client, even after the end.
      await client.submit(key, training);
      return jobId;
    },
    async check(t, what) {
      const listed = await listAll(client);
      const history = await stack.history();
      const problems = await checkStream(history, client.told, listed);
      for (const [jobId, wanted] of steps) {
        steps.delete(jobId);
        const trained = await trainedState(stack.blobs, history, jobId);
        problems.push(...(trained === undefined ? ['it has no result'] : checkTrained(trained, wanted)).map((problem) => `${jobId}: ${problem}`));
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
