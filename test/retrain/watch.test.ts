import { fromJson, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import t from 'tap';
import { GetRetrainResponseSchema, ListRetrainsResponseSchema, MonitorRetrainResponseSchema, PipelineStatus, RetrainService, WatchRetrainResponseSchema } from '../../core/gen/aiforge/v1/retrain_pb.ts';
import { watch } from '../support/gateway-scene.ts';
import { commitFiles } from '../support/repository.ts';
import { retrainScene } from '../support/retrain-scene.ts';

t.setTimeout(90_000);

type Json = Record<string, unknown>;

t.test('a pipeline’s feed, over WebSocket and gRPC', async (t) => {
  const scene = await retrainScene(t);
  const train = scene.hold('train');
  const id = await scene.retrain();
  await train.reached;
  const live = scene.follow(id);
  train.release();
  const { messages, code } = await live;
  t.equal(code, 1000);
  const told = messages.filter(({ type }) => type === 'state').map(({ message }) => message as string);
  t.strictSame(told.map((text) => text.replace(/task .*/, 'task').replace(/: (never trained|held-out).*/, '')), [
    'started',
    'extract_data: begun', 'extract_data: task', 'extract_data: completed',
    'validate_data: begun', 'validate_data: completed',
    'train: begun', 'train: task', 'train: completed',
    'evaluate: begun', 'evaluate: task', 'evaluate: completed',
    'the gate lets the model pass',
    'export: begun', 'export: task', 'export: completed; completed',
  ]);
  const metrics = messages.filter(({ type }) => type === 'metrics');
  t.match(metrics, [1, 2, 3, 4].map((step) => ({ step, loss: 5 - step / 2, attempt: 1, status: 'running', current_step: 'train', total_steps: 4 })));
  const at = (text: RegExp): number => messages.findIndex(({ message }) => typeof message === 'string' && text.test(message));
  t.ok(at(/^train: task/) < messages.indexOf(metrics[0]!) && messages.indexOf(metrics.at(-1)!) < at(/^train: completed/), 'between the begin and the end of the training');
  t.match(messages.at(-1), { status: 'completed' });
  t.notOk('current_step' in messages.at(-1)!);

  const cursors = messages.map(({ cursor }) => cursor as string);
  t.equal(new Set(cursors).size, cursors.length, 'no cursor twice');
  for (const [index, cursor] of cursors.entries()) {
    const rest = await watch(scene, id, cursor);
    t.strictSame(rest.messages, messages.slice(index + 1), `after message ${index}: nothing missed, nothing twice`);
    t.equal(rest.code, 1000);
  }
  t.strictSame((await watch(scene, id)).messages, messages, 'history tells what was told live');
  await scene.restart();
  t.strictSame((await watch(scene, id)).messages, messages, 'a gateway that starts anew too');

  t.equal((await watch(scene, 'agent_20200101_000000')).code, 4404);
  for (const wrong of ['x', '1.2', '-1', '1.1-1-1', '9'.repeat(16)]) t.equal((await watch(scene, id, wrong)).code, 4400, wrong);

  await t.test('gRPC', async (t) => {
    const client = createClient(RetrainService, createGrpcTransport({ baseUrl: scene.url }));
    const same = async <D extends DescMessage>(schema: D, path: string, actual: MessageShape<D>): Promise<void> => {
      t.strictSame(actual, fromJson(schema, camel((await scene.get(path)).body) as never), path);
    };
    const follow = async (after: string) => {
      const updates = [];
      for await (const update of client.watchRetrain({ jobId: id, after })) updates.push(update);
      return updates;
    };
    t.strictSame(await follow(''), messages.map((message) => fromJson(WatchRetrainResponseSchema, camel(message) as never)));
    t.strictSame((await follow(cursors[9]!)).map(({ cursor }) => cursor), cursors.slice(10));
    await same(GetRetrainResponseSchema, `/v1/retrain/${id}`, await client.getRetrain({ jobId: id }));
    await same(ListRetrainsResponseSchema, '/v1/retrain?status=completed', await client.listRetrains({ status: PipelineStatus.COMPLETED }));
    const { checkedAt, ...monitored } = await client.monitorRetrain({ projectName: scene.project });
    t.ok(checkedAt);
    if (monitored.metrics) monitored.metrics.ageHours = 0;
    const rest = fromJson(MonitorRetrainResponseSchema, camel((await scene.get(`/v1/retrain/monitor?project_name=${scene.project}`)).body) as never);
    if (rest.metrics) rest.metrics.ageHours = 0;
    t.strictSame(monitored.metrics, rest.metrics);
    t.match(await client.retrain({ projectPath: scene.project }), { triggered: false, reason: /^nothing to do/ });
    t.match((await client.getRetrainReport({ jobId: id })).report, /^# Evaluation of job_.*## Gate\n\nThe new model may be deployed/s);

    const forced = await client.retrain({ projectPath: scene.project, force: true, requireApproval: true });
    t.match(forced, { triggered: true, plan: { plan: [{ id: '1', name: 'extract_data' }, {}, {}, {}, { id: '5', name: 'export' }] } });
    t.match(await client.getRetrain({ jobId: forced.jobId! }), { status: PipelineStatus.WAITING_APPROVAL });
    t.match(await client.approveRetrain({ jobId: forced.jobId! }), { jobId: forced.jobId!, status: PipelineStatus.RUNNING });
    await client.cancelRetrain({ jobId: forced.jobId! });
    t.match((await watch(scene, forced.jobId!)).messages.at(-1), { status: 'cancelled' });

    const failures: [() => Promise<unknown>, Code, string][] = [
      [() => client.getRetrain({ jobId: 'agent_x' }), Code.NotFound, 'job_id: there is no pipeline "agent_x"'],
      [() => client.pauseRetrain({ jobId: id }), Code.FailedPrecondition, `job_id: ${id} is completed and can't be paused: only a running pipeline can be`],
      [() => client.resumeRetrain({ jobId: id }), Code.FailedPrecondition, `job_id: ${id} is completed and can't be resumed: only a paused pipeline can be`],
      [() => client.cancelRetrain({ jobId: id }), Code.FailedPrecondition, `job_id: ${id} is completed and can't be cancelled: it has ended`],
      [() => client.approveRetrain({ jobId: id }), Code.FailedPrecondition, `job_id: ${id} is completed and can't be approved: only one that waits for approval can be`],
      [() => client.retrain({ projectPath: scene.project, policy: { filesChanged: 0 } }), Code.InvalidArgument, 'policy.files_changed: must be a whole number from 1 to 1000000'],
      [() => client.watchRetrain({ jobId: 'agent_x' })[Symbol.asyncIterator]().next(), Code.NotFound, 'job_id: there is no pipeline "agent_x"'],
    ];
    for (const [call, status, text] of failures) t.match(ConnectError.from(await call().then(() => new Error('no error'), (e: unknown) => e)), { code: status, rawMessage: text });
  });
});

t.test('a watcher that comes and goes misses nothing, across a pause', async (t) => {
  const scene = await retrainScene(t);
  const hold = scene.hold('train');
  const id = await scene.retrain();
  await hold.reached;
  const seen: Json[] = [];
  const whole = scene.follow(id);
  // Each connection takes one message.
  const byOne = (async () => {
    for (;;) {
      let first = true;
      const { messages, code } = await scene.follow(id, () => first && !(first = false), (seen.at(-1)?.['cursor'] as string | undefined) ?? '');
      seen.push(...messages.slice(0, 1));
      if (code === 1000 && messages.length === 0) return;
    }
  })();
  await scene.post(`/v1/retrain/${id}/pause`);
  await scene.follow(id, ({ status }) => status === 'paused');
  hold.release();
  await scene.post(`/v1/retrain/${id}/resume`);
  const { messages } = await whole;
  await byOne;
  t.match(messages.at(-1), { status: 'completed' });
  for (const type of ['state', 'metrics']) {
    const of = (all: Json[]): unknown[] => all.filter((each) => each['type'] === type).map(({ message, step }) => message ?? step);
    t.strictSame(of(seen), of(messages), `the same ${type} messages in the same order`);
  }
  t.equal(seen.length, messages.length);
  t.strictSame(messages.filter(({ type, message }) => type === 'state' && (message as string).length === 0), [], 'each says what happened');
  t.strictSame(messages.filter(({ type }) => type === 'metrics').map(({ attempt, step }) => [attempt, step]), [[1, 1], [1, 2], [2, 3], [2, 4]]);
});

t.test('lists, with pages and filters', async (t) => {
  const scene = await retrainScene(t);
  const ids: string[] = [];
  for (let n = 0; n < 3; n++) {
    ids.unshift(await scene.retrain({ require_approval: true }));
    await scene.post(`/v1/retrain/${ids[0]}/cancel`);
  }
  const done = await scene.retrain();
  await scene.follow(done);
  const list = async (query: string): Promise<[unknown[], string]> => {
    const { body } = await scene.get(`/v1/retrain?${query}`);
    return [(body['retrains'] as Json[]).map((each) => each['job_id']), body['next_page_token'] as string];
  };
  t.strictSame(await list(''), [[done, ...ids], ''], 'the newest first');
  t.strictSame(await list('status=cancelled'), [ids, '']);
  t.strictSame(await list('status=completed'), [[done], '']);
  t.strictSame(await list(`project_name=${scene.project}&page_size=2`), [[done, ids[0]], ids[0]!]);
  t.strictSame(await list(`page_size=2&page_token=${ids[0]}`), [ids.slice(1), '']);
  t.strictSame(await list('project_name=nobody'), [[], '']);
  for (const [query, detail] of [['status=lost', /^status: /], ['page_size=0', /^page_size: /], ['page_token=nowhere', /^page_token: /], ['state=paused', /^state: /]] as const) t.match(await scene.get(`/v1/retrain?${query}`), { status: 400, body: { detail } }, query);

  const decisions = async (query = ''): Promise<Json[]> => (await scene.get(`/v1/retrain/decisions${query}`)).body['decisions'] as Json[];
  t.strictSame((await decisions()).map((each) => each['job_id']), [done, ...ids]);
  const ask = async (): Promise<void> => void (await scene.post('/v1/retrain', { project_path: scene.project }));
  for (let n = 0; n < 3; n++) await ask();
  t.match((await decisions()).slice(0, 2), [{ project_name: scene.project, should_retrain: false, reason: /^nothing to do: 0 files/, metrics: { files_changed: 0, base: 'ancestor' }, trigger: 'request', decided_at: /Z$/ }, { should_retrain: true }], 'a "no" once');
  t.equal((await decisions()).length, 5);
  await commitFiles(scene.repository, { 'more.py': 'MORE = 1\n' });
  for (let n = 0; n < 2; n++) await ask();
  t.match((await decisions())[0], { should_retrain: false, reason: /^nothing to do: 1 file changed/ });
  t.equal((await decisions()).length, 6, 'and again only when the figures changed');
  const first = await scene.get('/v1/retrain/decisions?page_size=4');
  t.equal((first.body['decisions'] as Json[]).length, 4);
  t.equal((await decisions(`?page_size=4&page_token=${first.body['next_page_token'] as string}`)).length, 2);
  t.match(await scene.get('/v1/retrain/decisions?page_token=x'), { status: 400, body: { detail: /^page_token: / } });
});

/** JSON of REST as protobuf's own reader takes it. */
function camel(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(camel);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, name === 'status' && typeof inner === 'string' ? statusName(value as Json, inner) : camel(inner)]));
}

/** The enum that a status is of. */
function statusName(message: Json, status: string): string {
  return `${'estimated_minutes' in message ? 'STEP' : 'PIPELINE'}_STATUS_${status.toUpperCase()}`;
}
