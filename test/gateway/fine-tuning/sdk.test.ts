// The official OpenAI packages, Node and Python, through files and fine-tuning; the training is a pretence, all else is real.
import { execFile } from 'node:child_process';
import { createReadStream, existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { gatewayScene, type GatewayScene } from '../../support/gateway-scene.ts';
import { chatLines, fakeTraining, sdk, tinyExport, untilStatus } from '../../support/fine-tuning.ts';

t.setTimeout(120_000);
const python = resolve(import.meta.dirname, '../../../.venv/bin/python');

t.test('a file becomes a model that answers', async (t) => {
  const scene: GatewayScene = await gatewayScene(t, { FORGE_INFERENCE: 'embedded' });
  await scene.guardian();
  await scene.trainer(fakeTraining(() => scene), tinyExport(() => scene));
  const client = sdk(scene);
  const path = join(t.testdir(), 'train.jsonl');
  await writeFile(path, chatLines(40));

  const file = await client.files.create({ file: createReadStream(path), purpose: 'fine-tune' });
  t.match(file, { id: /^file-[0-9a-f]{24}$/, object: 'file', filename: 'train.jsonl', purpose: 'fine-tune', status: 'processed', bytes: chatLines(40).length, created_at: Number });
  t.same(await client.files.waitForProcessing(file.id), file);

  const created = await client.fineTuning.jobs.create({ model: 'ai-forge/starter', training_file: file.id, suffix: 'shop', seed: 7 });
  t.match(created, { object: 'fine_tuning.job', status: /validating_files|queued/, model: 'ai-forge/starter', training_file: file.id, fine_tuned_model: null, finished_at: null, trained_tokens: null, error: null, result_files: [], seed: 7 });
  const job = await untilStatus(client, created.id, 'succeeded');
  t.match(job, { fine_tuned_model: `shop:${job.id}`, trained_tokens: 64, finished_at: Number, error: null, result_files: [String] });
  t.equal((await scene.get(`/status/${job.id}`)).body['status'], 'completed');

  const answer = await client.chat.completions.create({ model: job.fine_tuned_model!, messages: [{ role: 'user', content: 'Hello!' }], max_tokens: 4 });
  t.match(answer, { model: job.fine_tuned_model, usage: { completion_tokens: 4 } });

  await t.test('its name stays its own: the alias was not asked for', async (t) => {
    t.same((await Array.fromAsync(client.models.list())).map((model) => model.id), [job.fine_tuned_model]);
    t.match(await scene.post('/v1/fine_tuning/jobs', { model: job.fine_tuned_model, training_file: file.id }), { status: 400, body: { error: { param: 'model', message: /fine-tuned already/ } } });
    t.match(await scene.post(`/deploy/${job.id}`), { status: 200, body: { model_name: 'shop:latest' } });
    t.equal((await client.chat.completions.create({ model: 'shop:latest', messages: [{ role: 'user', content: 'Hello!' }], max_tokens: 4 })).model, 'shop:latest');
    t.equal((await client.fineTuning.jobs.retrieve(job.id)).fine_tuned_model, job.fine_tuned_model);
  });

  await t.test('Python', existsSync(python) ? {} : { skip: 'there is no .venv' }, async (t) => {
    const script = resolve(import.meta.dirname, '../../support/python-client/fine_tuning.py');
    const { stdout } = await promisify(execFile)(python, [script, `${scene.url}/v1`, path], { timeout: 90_000 });
    const got = JSON.parse(stdout);
    t.match(got, {
      file: { object: 'file', purpose: 'fine-tune', filename: 'train.jsonl' },
      job: { object: 'fine_tuning.job', status: 'succeeded', trained_tokens: 64, seed: 1, metadata: { by: 'python' } },
      epochs: 2, contents: true, deleted: true, result: /^step,train_loss,/, steps: [4, 2],
      errors: { purpose: { type: 'BadRequestError', param: 'purpose' }, lines: { type: 'BadRequestError', param: 'file' }, method: { type: 'BadRequestError', param: 'method.type' }, file: { type: 'NotFoundError', param: 'training_file' }, job: { type: 'NotFoundError' } },
    });
    t.same(got.listed, [got.job.id]);
    t.equal(got.answer, `snake:${got.job.id}`);
    t.equal(got.events.filter((type: string) => type === 'metrics').length, 6, 'four steps and two evaluations');
    t.ok(got.files.includes(got.file.id));
  });
});
