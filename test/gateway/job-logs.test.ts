import { once } from 'node:events';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { jetstreamManager } from '@nats-io/jetstream';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';
import { putTree } from '../../core/blobs/tree.ts';
import { JobService } from '../../core/gen/aiforge/v1/job_pb.ts';
import { connectNats } from '../../core/nats.ts';
import { TaskFailure, type TaskContext } from '../../core/worker/task-runner.ts';
import { gatewayScene, watch, type GatewayScene } from '../support/gateway-scene.ts';

const request = { project_name: 'tiny', base_model: 'ai-forge/starter' };

interface Line { number: number; time: string; text: string }
interface Logs { attempt: number; lines: Line[]; last_line: number; complete: boolean; attempts: { attempt: number; agent_id: string; outcome: string; code: string }[] }

const logs = async (scene: GatewayScene, jobId: string, query = ''): Promise<Logs> => (await scene.get(`/v1/fine-tune/${jobId}/logs${query}`)).body as unknown as Logs;
const texts = ({ lines }: Logs): string[] => lines.map(({ text }) => text);

/** Every line over WebSocket, until it closes or one fits. */
async function follow(scene: GatewayScene, jobId: string, query: string, until: (text: string) => boolean = () => false): Promise<{ cursors: string[]; texts: string[]; code: number; reason: string }> {
  const socket = new WebSocket(`${scene.url.replace('http', 'ws')}/ws/training/${jobId}/logs${query}`);
  const told = { cursors: [] as string[], texts: [] as string[] };
  socket.on('message', (data: Buffer) => {
    const { cursor, line } = JSON.parse(data.toString()) as { cursor: string; line: Line };
    told.cursors.push(cursor);
    told.texts.push(line.text);
    if (until(line.text)) socket.close();
  });
  const [code, reason] = (await once(socket, 'close')) as [number, Buffer];
  return { ...told, code, reason: reason.toString() };
}

/** What telemetry holds ages out: here at once. */
async function forgetTelemetry(t: Test, scene: GatewayScene): Promise<void> {
  const connection = await connectNats(scene.nats.url, 'ageing');
  t.teardown(() => connection.close());
  const manager = await jetstreamManager(connection);
  await manager.streams.purge('TELEMETRY');
}

const finished = async (scene: GatewayScene, context: TaskContext) => ({ kind: { case: 'train' as const, value: { adapterDigest: await putTree(scene.blobs, context.workDir), steps: 1n } } });

t.test('the log of each attempt, while it runs and after its telemetry is gone', { timeout: 60_000 }, async (t) => {
  const scene = await gatewayScene(t);
  await scene.guardian();
  const goOn = Promise.withResolvers<void>();
  await scene.trainer(async (context) => {
    const { attempt } = context.assignment;
    context.phase('training', 1);
    for (let n = 1; n <= 30; n++) context.log(`attempt ${attempt} line ${n}`);
    if (attempt === 2) await goOn.promise;
    context.log(`attempt ${attempt} ends`);
    if (attempt === 1) throw new TaskFailure('trainer_crashed', 'it was ended by SIGSEGV', true);
    return finished(scene, context);
  });
  const jobId = (await scene.post('/v1/fine-tune', request)).body['job_id'] as string;
  const live = await follow(scene, jobId, '', (text) => text === 'attempt 2 line 30');
  t.strictSame(live.texts, [...Array.from({ length: 30 }, (_, n) => `attempt 1 line ${n + 1}`), 'attempt 1 ends', ...Array.from({ length: 30 }, (_, n) => `attempt 2 line ${n + 1}`)], 'attempt after attempt, each line once');
  t.match([live.cursors[0], live.cursors[30], live.cursors[31]], ['1-1', '1-31', '2-1']);

  const running = await logs(scene, jobId, '?tail=2');
  t.match(running, { attempt: 2, complete: false, last_line: 30, lines: [{ number: 29, text: 'attempt 2 line 29' }, { number: 30 }], attempts: [{ attempt: 1, agent_id: 'trainer', outcome: 'failed', code: 'trainer_crashed' }, { attempt: 2, outcome: 'running' }] });
  t.ok(Math.abs(Date.parse(running.lines[0]!.time) - Date.now()) < 60_000);
  const rest = follow(scene, jobId, `?after=${live.cursors.at(-1)}`);
  goOn.resolve();
  t.match(await rest, { texts: ['attempt 2 ends'], cursors: ['2-31'], code: 1000 }, 'live to the end of the job');

  await forgetTelemetry(t, scene);
  await scene.restart();
  const first = await logs(scene, jobId, '?attempt=1&page_size=10');
  t.match(first, { attempt: 1, complete: true, last_line: 31 });
  t.strictSame(texts(first), Array.from({ length: 10 }, (_, n) => `attempt 1 line ${n + 1}`));
  t.strictSame(texts(await logs(scene, jobId, `?attempt=1&after=${first.lines.at(-1)!.number}&page_size=3`)), ['attempt 1 line 11', 'attempt 1 line 12', 'attempt 1 line 13'], 'a range by number');
  t.strictSame(texts(await logs(scene, jobId, '?attempt=1&tail=1')), ['attempt 1 ends'], 'why an attempt failed is there after the end');
  t.match(await logs(scene, jobId), { attempt: 2, complete: true, attempts: [{ outcome: 'failed' }, { outcome: 'completed' }] });

  const client = createClient(JobService, createGrpcTransport({ baseUrl: scene.url }));
  t.equal((await client.listJobLogs({ jobId, attempt: 1 })).lines.length, 31, 'over gRPC');
  const streamed: string[] = [];
  for await (const { line } of client.watchJobLogs({ jobId, after: '2-29' })) streamed.push(line!.text);
  t.strictSame(streamed, ['attempt 2 line 30', 'attempt 2 ends']);
  t.strictSame((await follow(scene, jobId, '')).texts, [...live.texts, 'attempt 2 ends'], 'and all over WebSocket');

  const wrong: [string, number, RegExp][] = [['?tail=1&after=1', 400, /^tail: /], ['?tail=0', 400, /^tail: /], ['?page_size=1001', 400, /^page_size: /], ['?attempt=3', 404, /^attempt: .*it had 2/], ['?kind=deploy', 400, /^kind: /], ['?kind=export', 404, /has no export yet/], ['?lines=3', 400, /^lines: /]];
  for (const [query, status, detail] of wrong) t.match(await scene.get(`/v1/fine-tune/${jobId}/logs${query}`), { status, body: { detail } }, query);
  t.match(await scene.get('/v1/fine-tune/job_x/logs'), { status: 404, body: { detail: /job_x/ } });
  t.match(await follow(scene, jobId, '?after=x'), { code: 4400, reason: /^after: / });
  t.match(await follow(scene, jobId, '?kind=deploy'), { code: 4400, reason: /^kind: / });
  t.match(await follow(scene, 'job_x', ''), { code: 4404 });
});

t.test('the log of a lost attempt is stored by a gateway', { timeout: 60_000 }, async (t) => {
  const scene = await gatewayScene(t);
  await scene.guardian();
  const worker = await scene.trainer(async (context) => {
    context.phase('training', 1);
    context.log('the last words');
    await once(context.signal, 'abort');
    return 'stopped';
  });
  const jobId = (await scene.post('/v1/fine-tune', request)).body['job_id'] as string;
  await follow(scene, jobId, '', (text) => text === 'the last words');
  // It ends without a word, and its process is not started again.
  await worker.stop();
  await watch(scene, jobId, '', (message) => /no beat of its worker/.test((message['message'] as string | undefined) ?? ''));
  await forgetTelemetry(t, scene);
  t.match(await logs(scene, jobId), { attempt: 1, complete: true, lines: [{ number: 1, text: 'the last words' }], attempts: [{ outcome: 'lost', code: 'worker_lost' }] });
});
