import { isDeepStrictEqual } from 'node:util';
import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { checkStream } from '../support/check-stream.ts';
import { createJobClient, type JobClient } from '../support/job-client.ts';
import { startStack } from '../support/stack.ts';

t.setTimeout(280_000);

const short = { project_name: 'toy', base_model: 'toy/base', max_steps: 12, checkpoint_every_steps: 3 };

t.test('two gateways on one stream are one service', async (t) => {
  const stack = await startStack(t, { env: { FORGE_FENCE_MS: '5000', FORGE_LOSS_MS: '15000' } });
  const second = await stack.anotherGateway('g2');
  const both = [createJobClient(stack), createJobClient({ ...second, logs: stack.logs })] as const;
  const [one, two] = both;
  const urls = [stack.url, second.url];
  const raw = (at: number, path: string, init: RequestInit = {}): Promise<{ status: number; body: any }> => fetch(`${urls[at]}${path}`, init).then(async (response) => ({ status: response.status, body: await response.json() }));
  const post = (at: number, path: string, body: unknown, key?: string) => raw(at, path, { method: 'POST', headers: { 'content-type': 'application/json', ...(key === undefined ? {} : { 'idempotency-key': key }) }, body: JSON.stringify(body) });
  /** One of them may be milliseconds behind the other; never longer than it takes to read what was appended. */
  const same = async (path: string): Promise<any> => {
    for (const deadline = performance.now() + 60_000; ; await setTimeout(10)) {
      const [left, right] = await Promise.all(both.map((client) => client.get(path)));
      if (isDeepStrictEqual(left, right) || performance.now() > deadline) {
        t.same(left, right, `${path} is the same at both`);
        return left;
      }
    }
  };

  const keys = ['a', 'b', 'c', 'd'];
  const answers = await Promise.all(keys.flatMap((key) => [post(0, '/v1/fine-tune', short, key), post(1, '/v1/fine-tune', short, key)]));
  t.same(answers.map(({ status }) => status), answers.map(() => 200));
  const jobs = keys.map((_key, at) => answers[2 * at]!.body.job_id as string);
  t.same(answers.map(({ body }) => body.job_id), jobs.flatMap((id) => [id, id]), 'a key that is used at both at once stands for one job');
  t.equal(new Set(jobs).size, keys.length, 'and another key for another');
  t.equal((await post(1, '/v1/fine-tune', { ...short, max_steps: 13 }, 'a')).status, 409, 'with another body it is refused by the other too');
  for (const id of jobs) for (const at of [0, 1]) t.equal((await raw(at, `/status/${id}`)).status, 200, 'each knows at once what the other has acknowledged');
  t.equal(await one.follow(jobs[0]!), 'completed');
  await second.gateway.kill();
  t.equal(await one.follow(jobs[1]!), 'completed', 'one goes on while the other is dead');
  await second.gateway.ready();
  for (const id of jobs) for (const client of both) t.equal(await client.follow(id), 'completed');
  for (const id of jobs) t.same(events(two, id), events(one, id), 'the feeds tell the same events, by the same sequences');
  const { jobs: listed } = (await same('/v1/fine-tune?page_size=100')) as { jobs: unknown[] };
  const acknowledged = new Map(keys.map((key, at) => [key, jobs[at]!]));
  for (const { told } of both) t.same(await checkStream(await stack.history(), { ...told, acknowledged }, listed), [], 'every promise holds, as each tells it');

  const hold = await stack.trainerHolds('train', 5);
  const { job_id: held } = (await post(0, '/v1/fine-tune', short)).body as { job_id: string };
  await hold.reached();
  t.equal((await post(1, `/v1/fine-tune/${held}/cancel`, undefined)).status, 200);
  t.equal(await one.follow(held), 'cancelled', 'what is cancelled at one is cancelled, whichever of them started it');
  await hold.release();

  const file = new FormData();
  file.set('purpose', 'fine-tune');
  file.set('file', new Blob([`${JSON.stringify({ messages: [{ role: 'user', content: 'q' }, { role: 'assistant', content: 'a' }] })}\n`]), 'rows.jsonl');
  const { body: uploaded } = await raw(0, '/v1/files', { method: 'POST', body: file });
  t.equal((await fetch(`${urls[1]}/v1/files/${uploaded.id}/content`)).status, 200, 'a file that was uploaded to one is read from the other');
  t.match((await same('/v1/files')) as object, { data: [{ id: uploaded.id }] });
  for (const path of ['/v1/fine-tune?page_size=100', '/v1/models', '/v1/fine_tuning/jobs', ...[...jobs, held].map((id) => `/status/${id}`)]) await same(path);
  t.equal((await post(1, '/v1/agents/local/cordon', {})).status, 200);
  const { job_id: waiting } = (await post(1, '/v1/fine-tune', short)).body as { job_id: string };
  t.match((await one.get(`/status/${waiting}`)) as object, { status: 'queued' });
  // Who knows the job, which was queued after it, knows of that too.
  await same('/v1/fine-tune?page_size=100');
  for (const client of both) t.match(((await client.get('/v1/agents')) as { agents: unknown[] }).agents, [{ agent_id: 'local', cordoned: true }], 'an agent that one cordons both cordon');
});

/** What is no measurement: those come as they come, so a cursor's places after the first, how far the metrics were, differ. */
const events = ({ told }: JobClient, id: string) => told.feeds.get(id)?.filter(({ type }) => type === 'state').map((message) => ({ ...message, cursor: message.cursor.split('-')[0] }));
