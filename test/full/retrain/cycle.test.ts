import { globSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { starterHyperparameters } from '../../../deploy/local/quickstart/base-model.ts';
import { createJobClient, type JobClient } from '../../support/job-client.ts';
import { commitFiles } from '../../support/repository.ts';
import { needsTrainer } from '../../support/real-export.ts';
import { startStack } from '../../support/stack.ts';
import { python } from '../../support/trainer-command.ts';

const root = join(import.meta.dirname, '../../..');

interface Pipeline { job_id: string; status: string; reason: string; trigger: string; training_job_id?: string; error?: string; gate?: { passed: boolean; checks: { name: string; passed: boolean; message: string }[] } }

function sources(patterns: string[]): Record<string, Buffer> {
  return Object.fromEntries(globSync(patterns, { cwd: root, exclude: ['core/gen/**'] }).sort().map((file) => [`src/${file}`, readFileSync(join(root, file))]));
}

async function chat(url: string, model: string): Promise<{ status: number; model: string }> {
  const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ model, max_tokens: 8, messages: [{ role: 'user', content: 'Write the beginning of the file src/settings.ts.' }] }) });
  return { status: response.status, model: ((await response.json()) as { model: string }).model };
}

/** The next pipeline that the daemon starts for the project, followed to its end. */
async function nextPipeline(client: JobClient, known: readonly string[]): Promise<Pipeline> {
  for (;;) {
    const { retrains } = (await client.get('/v1/retrain?project_name=toy')) as { retrains: Pipeline[] };
    const started = retrains.find(({ job_id: id }) => !known.includes(id));
    if (started !== undefined) {
      await client.follow(started.job_id, 900_000);
      return (await client.get(`/v1/retrain/${started.job_id}`)) as Pipeline;
    }
    // It is the daemon's move: a look at the list a few times a second costs nothing.
    await setTimeout(200);
  }
}

function tell(t: Test, { reason, status, error, gate }: Pipeline): void {
  t.comment(`${reason}: ${status}${error === undefined ? '' : `: ${error}`}; ${gate?.checks.map(({ message }) => message).join('; ') ?? 'no gate'}`);
}

t.test('the daemon notices twenty files, trains, lets a good model pass and stops a ruined one', { ...needsTrainer(), timeout: 1_500_000 }, async (t) => {
  const files = Object.entries(sources(['core/**/*.ts', 'gateway/rest/*.ts', 'gateway/feed/*.ts', 'gateway/jobs/*.ts', 'gateway/openai/*.ts', 'guardian/git/*.ts', 'guardian/pipeline/*.ts', 'guardian/dataset/**/*.ts', 'gpu-agent/**/*.ts']));
  const later = files.splice(-40);
  const stack = await startStack(t, {
    python,
    files: Object.fromEntries(files),
    guardianMain: join(import.meta.dirname, '../../support/ruining-guardian.ts'),
    env: {
      FORGE_INFERENCE: 'embedded', FORGE_STARTER_SECONDS: '20', FORGE_WATCH_MS: '1000', FORGE_DEBOUNCE_MS: '1000', HF_HUB_OFFLINE: '1',
      FORGE_BEAT_MS: '1000', FORGE_FENCE_MS: '20000', FORGE_LOSS_MS: '30000',
    },
  });
  t.teardown(() => {
    if (!t.passing()) t.comment(stack.logs());
  });
  const client = createJobClient(stack);
  const training = { ...starterHyperparameters, base_model: 'ai-forge/starter', max_steps: 75 };
  // By hand, and with fewer steps: what follows is better by more than two trainings differ by chance.
  const first = await client.submit('first', { ...training, max_steps: 30 });
  t.equal(await client.follow(first, 900_000), 'completed');
  t.match(await client.post(`/deploy/${first}`, {}), { success: true, model_name: 'toy:latest' });
  await client.post('/v1/projects', { name: 'toy', path: 'toy', auto_deploy: true, training });

  await commitFiles(stack.repository, Object.fromEntries(later.slice(0, 20)));
  const good = await nextPipeline(client, []);
  tell(t, good);
  t.match(good, { status: 'completed', trigger: 'watch', reason: /^20 files changed \(threshold: 20\)/, gate: { passed: true } });
  t.match(await client.get('/v1/projects/toy'), { project: { current_job_id: good.training_job_id } });
  t.same(await chat(stack.url, 'toy:latest'), { status: 200, model: 'toy:latest' });

  await writeFile(join(stack.trainerDir, 'ruin'), '');
  await commitFiles(stack.repository, Object.fromEntries(later.slice(20)));
  const bad = await nextPipeline(client, [good.job_id]);
  tell(t, bad);
  t.match(bad, { status: 'refused', gate: { passed: false }, error: /the gate refused the new model/ });
  t.not(bad.training_job_id, good.training_job_id);
  t.match(await client.get('/v1/projects/toy'), { project: { current_job_id: good.training_job_id } }, 'the old model is still the current one');
  t.same(await chat(stack.url, 'toy:latest'), { status: 200, model: 'toy:latest' }, 'and goes on serving');
  t.match(await client.get(`/v1/retrain/${bad.job_id}/report`), { report: /The new model is not deployed by its pipeline/ });
});
