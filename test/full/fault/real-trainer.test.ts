import { existsSync } from 'node:fs';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { startFaultRun } from '../../support/fault-run.ts';
import { watchMoments } from '../../support/moments.ts';
import { makeFolder } from '../../support/repository.ts';

const python = join(import.meta.dirname, '../../../.venv/bin/python');
const limitMs = 400_000;
const steps = 24;
/** Toy sizes: what is tested is that it goes on, not what it learns. */
const toy = { base_model: 'ai-forge/starter', max_steps: steps, checkpoint_every_steps: 3, max_seq_length: 128, gradient_accumulation: 1, rank: 4, use_pissa: true };
/** Two cores full of arithmetic: nobody is lost for being late. */
const patient = { FORGE_BEAT_MS: '500', FORGE_FENCE_MS: '8000', FORGE_LOSS_MS: '15000', FORGE_THREADS: '1', FORGE_STARTER_SECONDS: '3' };

t.test('the real trainer is killed in the middle of a training: the job completes from its checkpoint', { timeout: limitMs }, async (t) => {
  if (!existsSync(python)) return t.fail(`${python} is missing: node deploy/local/setup.mjs --for test`);
  const folder = await makeFolder(t);
  const wrapper = join(folder, 'python');
  // The process keeps its id when the shell becomes Python.
  await writeFile(wrapper, `#!/bin/sh\necho $$ > '${join(folder, 'pid')}'\nexec '${python}' "$@"\n`);
  await chmod(wrapper, 0o755);
  const run = await startFaultRun(t, { python: wrapper, env: patient });

  const moments = await watchMoments(run.stack.connection);
  let saved = 0;
  // After the second checkpoint there is one to go on from, whatever becomes of the report that is on its way.
  const killed = moments
    .event((kind) => kind.case === 'checkpointSaved' && ++saved === 2)
    .then(async () => process.kill(Number(await readFile(join(folder, 'pid'), 'utf8')), 'SIGKILL'));
  const jobId = await run.client.submit('real', toy);
  await run.client.follow(jobId, limitMs);
  await killed;
  moments.stop();

  const history = await run.check(t, 'the promises hold');
  const job = await run.client.get(`/status/${jobId}`);
  t.match(job, { status: 'completed', attempt: 2, current_step: steps });
  const resumed = history.filter((stored) => stored.id === jobId).flatMap((stored) => stored.envelope.events).findLast((event) => event.kind.case === 'attemptStarted')?.kind;
  t.match(resumed, { value: { attempt: 2, checkpointDigest: /^[0-9a-f]{64}$/ } }, 'the second attempt was given a checkpoint');
  const metrics = run.client.told.feeds.get(jobId)!.filter((message) => message.type === 'metrics' && message.step !== undefined);
  const again = metrics.filter((message) => message.attempt === 2).map((message) => message.step!);
  t.ok(again[0]! > 3 && again[0]! <= steps, `it went on at step ${again[0]}`);
  t.same(again.filter((step, index) => index > 0 && step < again[index - 1]!), [], 'and made each step after the other');
});
