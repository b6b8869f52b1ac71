// Two hosts that share no disk, with the real trainer: only NATS and the gateway's port are in reach of both.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { dataPaths } from '../../core/config.ts';
import { startFaultRun } from '../support/fault-run.ts';
import { watch } from '../support/gateway-scene.ts';
import { watchMoments } from '../support/moments.ts';
import { needsTrainer } from '../support/real-export.ts';

const python = join(import.meta.dirname, '../../.venv/bin/python');
/** Toy sizes: what is tested is the way, not what is learnt. */
const toy = { base_model: 'ai-forge/starter', max_steps: 24, checkpoint_every_steps: 3, max_seq_length: 128, gradient_accumulation: 1, rank: 4, use_pissa: true };
/** Two cores full of arithmetic: nobody is lost for being late. */
const patient = { FORGE_INFERENCE: 'embedded', FORGE_BEAT_MS: '500', FORGE_FENCE_MS: '20000', FORGE_LOSS_MS: '30000', FORGE_THREADS: '1', FORGE_STARTER_SECONDS: '3' };

t.test('the real trainer: paused on one host, resumed on another, exported there, and served', { timeout: 600_000, ...needsTrainer() }, async (t) => {
  const run = await startFaultRun(t, { python, apart: true, env: patient });
  const { stack, client } = run;
  const moments = await watchMoments(stack.connection);
  const saved = moments.event((kind) => kind.case === 'checkpointSaved');
  const jobId = await client.submit('two-hosts', toy);
  await saved;
  moments.stop();
  await client.post(`/v1/fine-tune/${jobId}/pause`, {});
  await watch(stack, jobId, '', (message) => message['status'] === 'paused');
  await stack.agent.stop();
  await stack.anotherAgent('second');
  await client.post(`/v1/fine-tune/${jobId}/resume`, {});
  t.equal(await client.follow(jobId, 400_000), 'completed');
  const history = await stack.history();
  const started = history.filter(({ id }) => id === jobId).flatMap(({ envelope }) => envelope.events).flatMap(({ kind }) => (kind.case === 'attemptStarted' ? [[kind.value.workerId, kind.value.checkpointDigest !== '']] : []));
  t.same(started, [['local', false], ['second', true]]);

  const deployed = await fetch(`${stack.url}/deploy/${jobId}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
  t.equal(deployed.status, 200, await deployed.text());
  const answer = await client.post('/v1/completions', { model: 'toy:latest', prompt: 'export const', max_tokens: 4 });
  t.match(answer, { object: 'text_completion' });
  for (const worker of ['local', 'second', 'guardian']) t.notOk(existsSync(dataPaths(stack.dataDirOf(worker)).blobs), `${worker} has no blobs but its cache`);
  await run.check(t, 'the promises hold');
});
