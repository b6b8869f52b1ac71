// From a file to a model that answers, with the real trainer at toy size and the official OpenAI package.
import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import t from 'tap';
import { chatLines, sdk, untilStatusWithin } from '../support/fine-tuning.ts';
import { needsTrainer } from '../support/real-export.ts';
import { makeFolder } from '../support/repository.ts';
import { startStack } from '../support/stack.ts';

const python = resolve(import.meta.dirname, '../../.venv/bin/python');

t.test('the real trainer behind the OpenAI package', { timeout: 600_000, ...needsTrainer() }, async (t) => {
  const stack = await startStack(t, { python, env: { FORGE_INFERENCE: 'embedded', FORGE_STARTER_SECONDS: '3', FORGE_THREADS: '1', FORGE_BEAT_MS: '1000', FORGE_FENCE_MS: '20000', FORGE_LOSS_MS: '30000' } });
  const client = sdk(stack);
  const { jobs } = client.fineTuning;
  const path = join(await makeFolder(t), 'train.jsonl');
  await writeFile(path, chatLines(48));
  const file = await client.files.create({ file: createReadStream(path), purpose: 'fine-tune' });
  await client.files.waitForProcessing(file.id);
  const created = await jobs.create({
    model: 'ai-forge/starter', training_file: file.id, suffix: 'toy', seed: 3,
    method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 2, batch_size: 4, learning_rate_multiplier: 2 } } },
  });
  const job = await untilStatusWithin(500_000, client, created.id, 'succeeded').catch((error: unknown) => {
    throw new Error(stack.logs(), { cause: error });
  });
  t.equal(job.fine_tuned_model, `toy:${job.id}`);
  t.ok(job.trained_tokens! > 500, `${job.trained_tokens} tokens were trained on`);
  const events = await Array.fromAsync(jobs.listEvents(job.id, { limit: 50 }));
  const losses = events.filter((event) => event.type === 'metrics').map((event) => (event.data as { train_loss?: number }).train_loss).filter((loss) => loss !== undefined).reverse();
  const csv = (await (await client.files.content(job.result_files[0]!)).text()).trimEnd().split('\n').slice(1).map((line) => line.split(','));
  t.same(csv.map((line) => line[1]).filter((loss) => loss !== '').map(Number), losses, 'the file has what the events told');
  t.ok(losses.at(-1)! < losses[0]!, `the loss went from ${losses[0]} to ${losses.at(-1)}`);
  t.ok(csv.some((line) => line[3] !== ''), 'and the held-out loss was measured');
  for (const checkpoint of await Array.fromAsync(jobs.checkpoints.list(job.id))) t.ok(checkpoint.metrics.train_loss! > 0, `checkpoint at step ${checkpoint.step_number}`);

  const answer = await client.chat.completions.create({ model: job.fine_tuned_model!, messages: [{ role: 'user', content: 'Write add7' }], max_tokens: 12 });
  t.equal(answer.model, job.fine_tuned_model);
  t.ok(answer.usage!.completion_tokens > 0);
  t.ok((await Array.fromAsync(client.models.list())).some((model) => model.id === job.fine_tuned_model));
  t.comment(`answered: ${JSON.stringify(answer.choices[0]!.message.content)}`);
});
