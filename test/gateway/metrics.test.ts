import { join } from 'node:path';
import { Code, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import t from 'tap';
import { JobService } from '../../core/gen/aiforge/v1/job_pb.ts';
import { silentLogger } from '../../core/logger.ts';
import { createEmbeddedBackend } from '../../gateway/inference/embedded/backend.ts';
import { Family } from '../../gateway/metrics/exposition.ts';
import { AnswerEnd, readUsage } from '../../gateway/metrics/usage.ts';
import { gatewayScene, type GatewayScene } from '../support/gateway-scene.ts';
import { parsePrometheus, valueOf, type Sample } from '../support/prometheus.ts';
import { writeTinyExport } from '../support/tiny-model.ts';

t.setTimeout(120_000);

async function scrape(scene: GatewayScene): Promise<Sample[]> {
  const response = await fetch(`${scene.url}/metrics`);
  t.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  return parsePrometheus(await response.text());
}

t.test('a real gateway counts what it does', async (t) => {
  const dir = t.testdir();
  const backend = createEmbeddedBackend({ modelsDir: join(dir, 'models'), threads: 1, logger: silentLogger, limits: ['--context', '512', '--slots', '1'] });
  t.teardown(() => backend.stop());
  backend.start();
  await backend.create('tiny', await writeTinyExport(join(dir, 'export')), AbortSignal.timeout(60_000));
  const scene = await gatewayScene(t, { FORGE_INFERENCE: await backend.url(AbortSignal.timeout(30_000)) });
  const chat = { model: 'tiny', messages: [{ role: 'user', content: 'Hello!' }], max_tokens: 8, temperature: 0 };

  const before = await scrape(scene);
  t.equal(valueOf(before, 'ai_forge_requests_total'), undefined, 'nothing was asked yet');
  t.equal(valueOf(before, 'ai_forge_jobs', { status: 'queued' }), 0);
  t.equal(valueOf(before, 'ai_forge_event_lag'), 0);
  t.equal(valueOf(before, 'ai_forge_broker_up'), 1);

  await t.test('requests, by template and never by path', async (t) => {
    for (const id of ['job_a', 'job_b']) await scene.get(`/status/${id}`);
    await scene.get('/v1/models');
    await scene.get('/no/such/path');
    await fetch(`${scene.url}/aiforge.v1.HealthService/GetHealth`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }).then((response) => response.text());
    await fetch(`${scene.url}/v1/models`, { method: 'PROPFIND' }).then((response) => response.text());
    const after = await scrape(scene);
    t.equal(valueOf(after, 'ai_forge_requests_total', { lane: 'rest', route: '/status/{job_id}', method: 'GET', status: '404' }), 2);
    t.equal(valueOf(after, 'ai_forge_request_seconds_count', { lane: 'rest', route: '/status/{job_id}' }), 2);
    t.equal(valueOf(after, 'ai_forge_requests_total', { lane: 'openai', route: '/v1/models', method: 'GET', status: '200' }), 1);
    t.equal(valueOf(after, 'ai_forge_requests_total', { lane: 'rpc', route: '/aiforge.v1.HealthService/GetHealth', status: '200' }), 1);
    t.equal(valueOf(after, 'ai_forge_requests_total', { lane: 'none', route: 'none', method: 'GET', status: '404' }), 1);
    t.equal(valueOf(after, 'ai_forge_requests_total', { lane: 'none', route: 'none', method: 'other', status: '405' }), 1);
    t.notOk(after.some(({ labels }) => JSON.stringify(labels).includes('job_a') || JSON.stringify(labels).includes('such')));
  });

  await t.test('gRPC calls, by their own status', async (t) => {
    const client = createClient(JobService, createGrpcTransport({ baseUrl: scene.url }));
    await t.rejects(client.getJob({ jobId: 'job_a' }), { code: Code.NotFound });
    await client.listFineTunes({});
    const after = await scrape(scene);
    t.equal(valueOf(after, 'ai_forge_grpc_calls_total', { method: 'aiforge.v1.JobService/GetJob', code: 'NOT_FOUND' }), 1);
    t.equal(valueOf(after, 'ai_forge_grpc_calls_total', { method: 'aiforge.v1.JobService/ListFineTunes', code: 'OK' }), 1);
  });

  await t.test('tokens, as the backend reports them, whole and streamed', async (t) => {
    const whole = await scene.post('/v1/chat/completions', chat);
    const usage = whole.body['usage'] as { prompt_tokens: number; completion_tokens: number };
    const streamed = await fetch(`${scene.url}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ ...chat, stream: true, stream_options: { include_usage: true } }) });
    t.match(await streamed.text(), /\[DONE\]/);
    const after = await scrape(scene);
    const of = (type: string) => valueOf(after, 'ai_forge_tokens_total', { endpoint: 'chat/completions', type });
    t.equal(usage.completion_tokens, 8);
    t.equal(of('completion'), 16);
    t.equal(of('prompt'), 2 * usage.prompt_tokens);
    t.equal(valueOf(after, 'ai_forge_inference_first_byte_seconds_count'), 2);
    t.equal(valueOf(after, 'ai_forge_inference_requests_total', { endpoint: 'chat/completions', status: '200' }), 2);
    t.equal(valueOf(after, 'ai_forge_requests_total', { route: '/v1/chat/completions', status: '200' }), 2);
  });

  await t.test('a client that goes away', async (t) => {
    const gone = new AbortController();
    const response = await fetch(`${scene.url}/v1/chat/completions`, { method: 'POST', signal: gone.signal, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ ...chat, max_tokens: 400, stream: true }) });
    await response.body!.getReader().read();
    gone.abort();
    await scene.post('/v1/chat/completions', chat);
    t.equal(valueOf(await scrape(scene), 'ai_forge_request_seconds_count', { route: '/v1/chat/completions' }), 4, 'is counted too');
  });

  await t.test('jobs, tasks, workers, events', async (t) => {
    await scene.guardian();
    const started = Promise.withResolvers<void>();
    await scene.trainer(({ signal }) => {
      started.resolve();
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve('stopped'), { once: true }));
    });
    const jobs = [await scene.post('/v1/fine-tune', { project_name: scene.project }), await scene.post('/v1/fine-tune', { project_name: scene.project, seed: 2 })];
    t.same(jobs.map(({ status }) => status), [200, 200]);
    await started.promise;
    const after = await scrape(scene);
    t.equal(valueOf(after, 'ai_forge_tasks_running', { kind: 'train' }), 1);
    t.equal(valueOf(after, 'ai_forge_tasks_queued', { kind: 'train' }), 1);
    t.equal(valueOf(after, 'ai_forge_jobs', { status: 'preparing' }), 1);
    t.equal(valueOf(after, 'ai_forge_jobs', { status: 'queued' }), 1);
    t.ok(valueOf(after, 'ai_forge_workers', { state: 'present' })! >= 2);
    t.ok(valueOf(after, 'ai_forge_events_applied_total')! > 2);
    t.ok(valueOf(after, 'process_resident_memory_bytes')! > 1e7);
    t.ok(valueOf(after, 'process_cpu_seconds_total')! > 0);
  });

  t.equal((await fetch(`${scene.url}/metrics`, { method: 'HEAD' })).status, 200);
  t.equal((await fetch(`${scene.url}/metrics`, { method: 'POST' })).headers.get('allow'), 'GET, HEAD, OPTIONS');
});

t.test('the text format', async (t) => {
  const odd = Family.counters('odd_total', 'A "help" with a \\ and\na line.');
  odd.child({ label: 'a "b" \\ c\nd' }).add(2);
  t.equal(odd.text(), '# HELP odd_total A "help" with a \\\\ and\\na line.\n# TYPE odd_total counter\nodd_total{label="a \\"b\\" \\\\ c\\nd"} 2\n');
  t.equal(parsePrometheus(odd.text()).length, 1);
  const times = Family.histograms('some_seconds', 'Some.', [0.1, 1]);
  const one = times.child({});
  for (const value of [0.05, 0.1, 0.5, 7]) one.observe(value);
  t.match(times.text(), 'some_seconds_bucket{le="0.1"} 2\nsome_seconds_bucket{le="1"} 3\nsome_seconds_bucket{le="+Inf"} 4\nsome_seconds_sum 7.65\nsome_seconds_count 4\n');
  t.equal(parsePrometheus(times.text()).length, 5);
  t.throws(() => parsePrometheus(times.text().replace('le="1"} 3', 'le="1"} 1')), /not cumulated/);
  t.throws(() => parsePrometheus('a_total 1\n'), /not of the family/);
  t.throws(() => parsePrometheus(odd.text() + odd.text()), /stands twice/);
});

t.test('usage at the end of an answer', async (t) => {
  const read = (...chunks: string[]) => {
    const end = new AnswerEnd();
    for (const chunk of chunks) end.push(Buffer.from(chunk));
    return readUsage(end.text());
  };
  t.same(read('{"choices":[{"message":{"content":"\\"usage\\":{\\"prompt_tokens\\":9}"}}],"usage":{"prompt_tokens":3,', '"completion_tokens" : 4,"total_tokens":7}}'), { prompt: 3, completion: 4 }, 'not what the text says');
  t.same(read('x'.repeat(5000), 'data: {"usage":{"prompt_tok', 'ens":3,"completion_tokens":4}}\n\n', 'data: [DONE]\n\n'), { prompt: 3, completion: 4 });
  t.same(read('data: {"usage":null}\n\n', 'data: [DONE]\n\n'), { prompt: undefined, completion: undefined });
  t.same(read('{"object":"response","usage":{"input_tokens":5,"input_tokens_details":{"cached_tokens":0},"output_tokens":6}}'), { prompt: 5, completion: 6 });
});
