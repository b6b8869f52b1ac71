// The official OpenAI package through files and fine-tuning; the training is a pretence, all else is real.
import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { gatewayScene, type GatewayScene } from '../../support/gateway-scene.ts';
import { chatLines, fakeTraining, sdk, tinyExport, untilStatus } from '../../support/fine-tuning.ts';

t.setTimeout(120_000);

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
});
