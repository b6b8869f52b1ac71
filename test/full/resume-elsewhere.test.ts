import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { watch } from '../support/gateway-scene.ts';
import { createJobClient } from '../support/job-client.ts';
import { startStack } from '../support/stack.ts';

const python = join(import.meta.dirname, '../../.venv/bin/python');
const limitMs = 800_000;
const steps = 12;
/** Toy sizes: what is tested is that the losses are the same, not what they are. */
const toy = { base_model: 'ai-forge/starter', max_steps: steps, max_seq_length: 128, batch_size: 2, gradient_accumulation: 2, rank: 4, seed: 5 };
/** Two cores full of arithmetic: nobody is lost for being late. A number of threads fixes the order of sums. */
const patient = { FORGE_BEAT_MS: '500', FORGE_FENCE_MS: '15000', FORGE_LOSS_MS: '30000', FORGE_THREADS: '1', FORGE_STARTER_SECONDS: '3' };

type Losses = [step: number, loss: number][];
const lossesOf = (messages: readonly Record<string, unknown>[], attempt: number): Losses =>
  messages.filter((message) => message['type'] === 'metrics' && message['attempt'] === attempt && message['loss'] !== undefined).map((message) => [message['step'] as number, message['loss'] as number]);

t.test('a training that is paused and goes on on another host has the losses of one that was never stopped', { timeout: limitMs }, async (t) => {
  if (!existsSync(python)) return t.fail(`${python} is missing: node deploy/local/setup.mjs --for test`);
  const stack = await startStack(t, { python, env: patient });
  t.teardown(() => { if (!t.passing()) t.comment(stack.logs()); });
  const client = createJobClient(stack);
  let host = 'local';
  for (const pissa of [true, false]) {
    const training = { ...toy, use_pissa: pissa };
    const straightId = await client.submit(`straight-${pissa}`, training);
    const straight = lossesOf((await watch(stack, straightId)).messages, 1);
    t.strictSame(straight.map(([step]) => step), Array.from({ length: steps }, (_, n) => n + 1));

    const jobId = await client.submit(`paused-${pissa}`, training);
    await watch(stack, jobId, '', (message) => message['type'] === 'metrics' && (message['step'] as number) >= 3 && message['loss'] !== undefined);
    await client.post(`/v1/fine-tune/${jobId}/pause`, {});
    await watch(stack, jobId, '', (message) => message['status'] === 'paused');
    await client.post(`/v1/agents/${host}/cordon`, {});
    await stack.anotherAgent((host = `elsewhere-${pissa}`));
    await client.post(`/v1/fine-tune/${jobId}/resume`, {});
    const { messages } = await watch(stack, jobId);
    t.match(messages.at(-1), { status: 'completed', attempt: 2 });
    t.ok(messages.some(({ message }) => message === `attempt 2 started on ${host}`));
    const [first, second] = [lossesOf(messages, 1), lossesOf(messages, 2)];
    t.ok(first.length >= 3 && second.length >= 1, `${first.length} steps, then ${second.length} elsewhere`);
    t.strictSame([...first, ...second], straight, pissa ? 'with PiSSA' : 'with LoRA');
  }
});
