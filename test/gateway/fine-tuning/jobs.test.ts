// Fine-tuning jobs of the OpenAI lane and of gRPC: the same as those of /v1/fine-tune.
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import OpenAI from 'openai';
import t from 'tap';
import { FineTuningService, FineTuningStatus } from '../../../core/gen/aiforge/v1/fine_tuning_pb.ts';
import { TaskKind } from '../../../core/gen/aiforge/v1/task_pb.ts';
import { TaskFailure } from '../../../core/worker/task-runner.ts';
import { chatLines, createHold, fakeTraining, sdk, untilStatus } from '../../support/fine-tuning.ts';
import { gatewayScene, watch, type GatewayScene } from '../../support/gateway-scene.ts';

t.setTimeout(120_000);

const errorOf = (work: PromiseLike<unknown>): PromiseLike<any> => work.then(() => undefined, (error: unknown) => error);
const uploadTo = (client: OpenAI, count = 40, topic = 'add') => client.files.create({ file: new File([chatLines(count, topic)], `${topic}.jsonl`), purpose: 'fine-tune' });

t.test('what is wrong is named, and nothing is made', async (t) => {
  const scene = await gatewayScene(t);
  const client = sdk(scene);
  const { id } = await uploadTo(client);
  const { id: small } = await uploadTo(client, 17, 'small');
  const { id: one } = await uploadTo(client, 1, 'one');
  const good = { model: 'ai-forge/starter', training_file: id };
  const hyper = (values: object) => ({ ...good, method: { type: 'supervised', supervised: { hyperparameters: values } } });
  const cases: [body: unknown, status: number, param: string, says?: RegExp][] = [
    ['{', 400, 'body'],
    [[], 400, 'body'],
    [{ training_file: id }, 400, 'model'],
    [{ ...good, model: 3 }, 400, 'model'],
    [{ ...good, model: 'a b' }, 400, 'model', /^model: must be a Hugging Face id/],
    [{ ...good, model: 'gpt-4o-mini-2024-07-18' }, 404, 'model', /can't be had here; give a Hugging Face id/],
    [{ ...good, model: 'davinci-002' }, 404, 'model'],
    [{ model: 'ai-forge/starter' }, 400, 'training_file'],
    [{ ...good, training_file: 'file-none' }, 404, 'training_file'],
    [{ ...good, training_file: small }, 400, 'training_file', /has 17 examples, at least 18 are needed/],
    [{ ...good, validation_file: 'file-none' }, 404, 'validation_file'],
    [{ ...good, validation_file: one }, 400, 'validation_file', /has 1 example, at least 2/],
    [{ ...good, method: { type: 'dpo' } }, 400, 'method.type', /"dpo" is not supported/],
    [{ ...good, method: { type: 'reinforcement' } }, 400, 'method.type', /"reinforcement" is not supported/],
    [{ ...good, method: { type: 'magic' } }, 400, 'method.type'],
    [{ ...good, method: { supervised: {} } }, 400, 'method.type'],
    [hyper({ n_epochs: 0 }), 400, 'hyperparameters.n_epochs'],
    [hyper({ n_epochs: 1.5 }), 400, 'method.supervised.hyperparameters.n_epochs'],
    [hyper({ n_epochs: 'many' }), 400, 'method.supervised.hyperparameters.n_epochs', /whole number or "auto"/],
    [hyper({ n_epochs: 1001 }), 400, 'hyperparameters.n_epochs'],
    [hyper({ batch_size: 5000 }), 400, 'hyperparameters.batch_size'],
    [hyper({ learning_rate_multiplier: 0 }), 400, 'hyperparameters.learning_rate_multiplier'],
    [hyper({ learning_rate_multiplier: 1e9 }), 400, 'hyperparameters.learning_rate_multiplier'],
    [hyper({ beta: 1 }), 400, 'method.supervised.hyperparameters.beta'],
    [{ ...hyper({ n_epochs: 2 }), hyperparameters: { n_epochs: 3 } }, 400, 'hyperparameters', /differ/],
    [{ ...good, hyperparameters: { n_epochs: -1 } }, 400, 'hyperparameters.n_epochs'],
    [{ ...good, suffix: 'has a space' }, 400, 'suffix'],
    [{ ...good, suffix: 'x'.repeat(65) }, 400, 'suffix'],
    [{ ...good, seed: -1 }, 400, 'seed'],
    [{ ...good, seed: 2 ** 32 }, 400, 'seed'],
    [{ ...good, seed: 'x' }, 400, 'seed'],
    [{ ...good, integrations: [{ type: 'wandb', wandb: { project: 'p' } }] }, 400, 'integrations'],
    [{ ...good, metadata: Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`k${n}`, 'v'])) }, 400, 'metadata'],
    [{ ...good, metadata: { ['k'.repeat(65)]: 'v' } }, 400, 'metadata'],
    [{ ...good, metadata: { k: 'v'.repeat(513) } }, 400, 'metadata.k'],
    [{ ...good, metadata: { k: 1 } }, 400, 'metadata.k'],
    [{ ...good, color: 'red' }, 400, 'color'],
  ];
  for (const [body, status, param, says = /./] of cases) {
    t.match(await scene.post('/v1/fine_tuning/jobs', body), { status, body: { error: { param, message: says, type: 'invalid_request_error' }, detail: String } }, JSON.stringify(body).slice(0, 120));
  }
  t.same((await client.fineTuning.jobs.list()).data, []);
  t.same((await scene.get('/v1/fine-tune')).body['jobs'], []);
  for (const query of ['limit=0', 'limit=101', 'after=job_none', 'metadata=x', 'metadata=null&metadata[a]=b', 'color=red']) t.match(await scene.get(`/v1/fine_tuning/jobs?${query}`), { status: 400 }, query);
  const jobs = client.fineTuning.jobs;
  const calls = [jobs.retrieve('job_none'), jobs.cancel('job_none'), jobs.pause('job_none'), jobs.resume('job_none'), jobs.listEvents('job_none'), jobs.checkpoints.list('job_none')];
  // All are listened to at once: one that fails while another is awaited would count as nobody's.
  for (const error of await Promise.all(calls.map((call) => errorOf(call)))) t.ok(error instanceof OpenAI.NotFoundError);
});

t.test('a job runs, is paused, goes on and succeeds', async (t) => {
  const scene: GatewayScene = await gatewayScene(t);
  await scene.guardian();
  const hold = createHold(3);
  await scene.trainer(fakeTraining(() => scene, { total: 6, hold: hold.hold }));
  const client = sdk(scene);
  const { jobs } = client.fineTuning;
  const training = await uploadTo(client);
  const validation = await uploadTo(client, 5, 'valid');
  const created = await jobs.create({
    model: 'ai-forge/starter', training_file: training.id, validation_file: validation.id, metadata: { team: 'a', empty: '' },
    method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 2, batch_size: 4, learning_rate_multiplier: 0.5 } } },
  });
  const hyperparameters = { n_epochs: 2, batch_size: 4, learning_rate_multiplier: 0.5 };
  t.match(created, {
    object: 'fine_tuning.job', created_at: Number, fine_tuned_model: null, organization_id: String, validation_file: validation.id, integrations: [], estimated_finish: null,
    metadata: { team: 'a', empty: '' }, hyperparameters, method: { type: 'supervised', supervised: { hyperparameters } },
  });
  const id = created.id;
  await hold.reached;
  const running = await untilStatus(client, id, 'running');
  t.equal((await scene.get(`/status/${id}`)).body['status'], 'training');
  // The metrics are on their way to the gateway when the training waits.
  await watch(scene, id, '', (message) => message['step'] === 3);
  const estimated = (await jobs.retrieve(id)).estimated_finish;
  t.ok(estimated !== null && Math.abs(estimated! - (Date.now() / 1000 + 3)) < 60, `at the speed that was measured it ends at ${estimated}`);
  t.match(running, { finished_at: null, trained_tokens: null, result_files: [] });

  t.match(await jobs.pause(id), { id, status: 'running' }, 'asked for, not yet done');
  await untilStatus(client, id, 'paused');
  t.match(await errorOf(jobs.pause(id)), { status: 400, code: 'wrong_state' });
  t.match(await jobs.resume(id), { id, status: 'queued' });
  const done = await untilStatus(client, id, 'succeeded');
  t.match(done, { trained_tokens: 96, finished_at: Number, fine_tuned_model: null, result_files: [`file-results-${id}`], error: null }, 'the server that is not ours takes no model');
  t.match(await errorOf(jobs.cancel(id)), { status: 400, message: /is completed and can't be cancelled/ });

  await t.test('its metrics are a file', async (t) => {
    const [result] = done.result_files;
    const text = await (await client.files.content(result!)).text();
    const [header, ...lines] = text.trimEnd().split('\n');
    t.equal(header, 'step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy,epoch,learning_rate,grad_norm,tokens_per_second,tokens_seen');
    t.equal(lines[0], `4,3,,,,${4 / 6},0.1,1,100,64`);
    t.equal(lines[1], `4,,,3.25,,${4 / 6},,,,`);
    t.match(await client.files.retrieve(result!), { purpose: 'fine-tune-results', bytes: text.length, filename: `${id}_metrics.csv`, status: 'processed' });
    t.same((await Array.fromAsync(client.files.list({ purpose: 'fine-tune-results' }))).map((file) => file.id), [result]);
    t.match(await errorOf(client.files.delete(result!)), { status: 400 });
    t.match(await errorOf(jobs.create({ model: 'ai-forge/starter', training_file: result! })), { status: 404, param: 'training_file' });
  });

  await t.test('its events, page by page', async (t) => {
    const events = await Array.fromAsync(jobs.listEvents(id, { limit: 4 }));
    t.equal(new Set(events.map((event) => event.id)).size, events.length, 'each once');
    t.same((await jobs.listEvents(id, { limit: 100 })).data, events, 'whatever the pages are');
    t.ok(events.every((event) => event.object === 'fine_tuning.job.event' && ['info', 'warn', 'error'].includes(event.level) && event.created_at > 0));
    const metrics = events.filter((event) => event.type === 'metrics').map((event) => event.data as any).reverse();
    t.same(metrics.filter((data) => data.train_loss !== undefined).map((data) => [data.step, data.train_loss]), [1, 2, 3, 4, 5, 6].map((step) => [step, 5 - step / 2]));
    t.same(metrics.filter((data) => data.full_valid_loss !== undefined).map((data) => [data.step, data.full_valid_loss]), [[2, 4.25], [4, 3.25], [6, 2.25]]);
    const said = events.map((event) => event.message).reverse().join('\n');
    t.match(said, /^queued\n.*dataset: completed\n.*Step 1\/6: training loss=4\.5000\n.*pause requested\n.*resumed\n.*completed$/s);
    t.match(await errorOf(jobs.listEvents(id, { after: 'ftevent-none' })), { status: 400, param: 'after' });
  });

  await t.test('its checkpoints', async (t) => {
    const checkpoints = await Array.fromAsync(jobs.checkpoints.list(id, { limit: 2 }));
    t.same(checkpoints.map((one) => [one.step_number, one.metrics]), [
      [6, { step: 6, train_loss: 2, full_valid_loss: 2.25 }],
      [4, { step: 4, train_loss: 3, full_valid_loss: 3.25 }],
      [3, { step: 3, train_loss: 3.5 }],
      [2, { step: 2, train_loss: 4, full_valid_loss: 4.25 }],
    ]);
    t.match(checkpoints[0], { object: 'fine_tuning.job.checkpoint', id: `ftckpt-${id}-6`, fine_tuning_job_id: id, fine_tuned_model_checkpoint: '', created_at: Number });
    t.match((await scene.get(`/v1/fine_tuning/jobs/${id}/checkpoints?limit=1`)).body, { first_id: checkpoints[0]!.id, last_id: checkpoints[0]!.id, has_more: true });
  });

  await t.test('what is held out is the validation file', async (t) => {
    t.match((await scene.get(`/v1/datasets/${id}.extract`)).body, { train_examples: 40, heldout_examples: 5 });
  });

  await t.test('all is there after a restart', async (t) => {
    const before = [await jobs.retrieve(id), (await jobs.listEvents(id)).data, (await jobs.checkpoints.list(id)).data];
    await scene.restart();
    const again = sdk(scene).fineTuning.jobs;
    t.same([await again.retrieve(id), (await again.listEvents(id)).data, (await again.checkpoints.list(id)).data], before);
  });
});

t.test('a job fails or is cancelled as its status says', async (t) => {
  const scene = await gatewayScene(t);
  const client = sdk(scene);
  const { jobs } = client.fineTuning;
  const file = await uploadTo(client);
  const waiting = await jobs.create({ model: 'ai-forge/starter', training_file: file.id });
  t.equal(waiting.status, 'validating_files', 'nobody is there to make the dataset');
  t.match(await jobs.cancel(waiting.id), { status: 'cancelled', finished_at: Number, error: null });
  t.equal((await scene.get(`/status/${waiting.id}`)).body['status'], 'cancelled');

  const doomed = await jobs.create({ model: 'ai-forge/starter', training_file: file.id });
  await scene.guardian();
  await scene.trainer(async () => { throw new TaskFailure('out_of_memory', 'the GPU has 8 GiB and 11 were needed', false); });
  await untilStatus(client, doomed.id, 'failed');
  t.match(await jobs.retrieve(doomed.id), { error: { code: 'out_of_memory', message: /11 were needed/, param: null }, finished_at: Number, fine_tuned_model: null, result_files: [] });
  t.match((await jobs.listEvents(doomed.id, { limit: 1 })).data[0], { level: 'error', message: /failed: the GPU has 8 GiB/ });

  const same = await client.files.create({ file: new File([chatLines(1).repeat(40)], 'same.jsonl'), purpose: 'fine-tune' });
  const bad = await jobs.create({ model: 'ai-forge/starter', training_file: same.id });
  t.match(await untilStatus(client, bad.id, 'failed'), { error: { code: 'bad_dataset', param: 'training_file', message: /1 examples to train on/ } });
});

t.test('a model that can not be deployed has no name, and the events say why', async (t) => {
  const scene: GatewayScene = await gatewayScene(t, { FORGE_INFERENCE: 'embedded' });
  await scene.guardian();
  await scene.trainer(fakeTraining(() => scene), { [TaskKind.EXPORT]: async () => { throw new TaskFailure('bad_model', 'no converter knows this tokenizer', false); } });
  const client = sdk(scene);
  const file = await uploadTo(client);
  const job = await untilStatus(client, (await client.fineTuning.jobs.create({ model: 'ai-forge/starter', training_file: file.id })).id, 'succeeded');
  t.match(job, { fine_tuned_model: null, finished_at: Number, trained_tokens: 64, result_files: [String], error: null });
  const events = await Array.fromAsync(client.fineTuning.jobs.listEvents(job.id));
  t.match(events.filter((event) => event.level === 'error').map((event) => event.message).join('\n'), /^deployment: failed: .*no converter knows this tokenizer\n.*export: .*failed: no converter/);
});

t.test('the jobs of both ways in are the same', async (t) => {
  const scene = await gatewayScene(t);
  const guardian = await scene.guardian();
  const client = sdk(scene);
  const { jobs } = client.fineTuning;
  const file = await uploadTo(client);
  const other = (await scene.post('/v1/fine-tune', { project_name: 'tiny', base_model: 'ai-forge/starter', batch_size: 2, learning_rate: 0.0001 })).body['job_id'] as string;
  t.match(await jobs.retrieve(other), { id: other, model: 'ai-forge/starter', training_file: '', validation_file: null, metadata: null, hyperparameters: { n_epochs: 3, batch_size: 16, learning_rate_multiplier: 0.5 } });
  const made: string[] = [other];
  for (let n = 0; n < 4; n++) made.push((await jobs.create({ model: 'ai-forge/starter', training_file: file.id, ...(n === 3 ? {} : { metadata: { team: n === 0 ? 'a' : 'b', n: String(n) } }) })).id);
  made.reverse();
  t.same((await Array.fromAsync(jobs.list({ limit: 2 }))).map((job) => job.id), made, 'page by page, the newest first');
  t.same(((await scene.get('/v1/fine-tune')).body['jobs'] as { job_id: string }[]).map((job) => job.job_id), made);
  t.same((await Array.fromAsync(jobs.list({ metadata: { team: 'b' } }))).map((job) => job.id), [made[1], made[2]]);
  t.same((await Array.fromAsync(jobs.list({ metadata: { team: 'b', n: '1' } }))).map((job) => job.id), [made[2]]);
  t.same((await Array.fromAsync(jobs.list({ metadata: { team: '' } }))).map((job) => job.id), []);
  t.same(((await scene.get('/v1/fine_tuning/jobs?metadata=null')).body['data'] as { id: string }[]).map((job) => job.id), [made[0], other]);
  t.match((await scene.get('/v1/fine_tuning/jobs?limit=5')).body, { object: 'list', has_more: false });

  await t.test('an Idempotency-Key stands for one job', async (t) => {
    const create = (seed: number) => jobs.create({ model: 'ai-forge/starter', training_file: file.id, seed }, { headers: { 'idempotency-key': 'once' } });
    const [first, second] = await Promise.all([create(1), create(1)]);
    t.equal(first.id, second.id);
    await guardian.stop();
    t.equal((await create(1)).id, first.id);
    t.match(await errorOf(create(2)), { status: 409, code: 'idempotency_conflict' });
  });

  await t.test('gRPC has them too', async (t) => {
    const grpc = createClient(FineTuningService, createGrpcTransport({ baseUrl: scene.url }));
    const { job } = await grpc.createFineTuningJob({ model: 'ai-forge/starter', trainingFile: file.id, hyperparameters: { nEpochs: 1 }, metadata: { by: 'grpc' } });
    t.match(job, { status: FineTuningStatus.VALIDATING_FILES, trainingFile: file.id, hyperparameters: { nEpochs: 1, batchSize: 8, learningRateMultiplier: 1 } });
    const { id } = job!;
    t.match(await jobs.retrieve(id), { id, metadata: { by: 'grpc' } });
    const list = await grpc.listFineTuningJobs({ metadata: { by: 'grpc' } });
    t.same([list.jobs.map((one) => one.id), list.hasMore], [[id], false]);
    t.equal((await grpc.pauseFineTuningJob({ id })).job!.status, FineTuningStatus.PAUSED);
    t.equal((await grpc.resumeFineTuningJob({ id })).job!.status, FineTuningStatus.VALIDATING_FILES);
    t.equal((await grpc.cancelFineTuningJob({ id })).job!.status, FineTuningStatus.CANCELLED);
    t.equal((await grpc.getFineTuningJob({ id })).job!.status, FineTuningStatus.CANCELLED);
    const { events } = await grpc.listFineTuningEvents({ id, limit: 1 });
    t.match(events, [{ type: 'message', level: 'info', message: /cancelled/ }]);
    t.same((await grpc.listFineTuningCheckpoints({ id })).checkpoints, []);
    t.match(await errorOf(grpc.getFineTuningJob({ id: 'job_none' })), { rawMessage: /there is no job/ });
    t.match(await errorOf(grpc.createFineTuningJob({ model: 'ai-forge/starter' })), { rawMessage: /^training_file: is required/ });
  });
});
