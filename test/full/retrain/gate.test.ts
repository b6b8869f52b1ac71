import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { startPipelineRun, type PipelineRun } from '../../support/pipeline-run.ts';

t.setTimeout(300_000);

interface Answer {
  status: number;
  body: any;
}

async function post({ stack }: PipelineRun, path: string, body: unknown = {}): Promise<Answer> {
  const response = await fetch(`${stack.url}${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  return { status: response.status, body: await response.json() };
}

t.test('a refused model, by hand, and back again', async (t) => {
  const run = await startPipelineRun(t);
  const { stack, client } = run;
  t.match(await post(run, '/v1/models/toy:latest/rollback'), { status: 404, body: { detail: 'name: there is no deployed model "toy:latest"; give <project> or <project>:latest' } });
  t.match(await post(run, '/v1/projects', { name: 'toy', path: 'toy', watch: false, training: { base_model: 'toy/base', max_steps: 12, checkpoint_every_steps: 3 } }), { status: 200 });
  const target = async (): Promise<string> => (await client.get('/v1/projects/toy')).project.current_job_id;
  const names = async (): Promise<string[]> => (await client.get('/models')).models.map(({ name }: { name: string }) => name).sort();
  const chats = async (): Promise<void> => {
    const chat = await post(run, '/v1/chat/completions', { model: 'toy:latest', messages: [{ role: 'user', content: 'value' }], max_tokens: 4 });
    t.match(chat, { status: 200, body: { choices: [{ message: { role: 'assistant' } }] } }, 'toy:latest answers');
  };
  const pipelineOf = async (id: string) => client.get(`/v1/retrain/${id}`);

  const first = await run.start({ project_path: undefined, project_name: 'toy' });
  t.equal(await run.follow(first), 'completed');
  const good = (await pipelineOf(first)).training_job_id as string;
  t.equal(await target(), good);
  t.match(await post(run, '/v1/models/toy:latest/rollback'), { status: 400, body: { detail: 'name: there is no version before the one that is served' } });

  await writeFile(join(stack.trainerDir, 'margin'), '0.01');
  const second = await run.start({ project_path: undefined, project_name: 'toy' });
  t.equal(await run.follow(second), 'refused');
  const refused = await pipelineOf(second);
  t.match(refused, {
    status: 'refused',
    error: /^the gate refused the new model: held-out perplexity 19\.88, 20\.09 of the base: 1\.0 % lower .* at least 5\.0 %/,
    gate: { passed: false, checks: [{ name: 'base', passed: false, value: 0.01, limit: 0.05 }, { name: 'replaced', passed: true, message: new RegExp(good) }, { name: 'general', passed: true }] },
  });
  t.notOk('current_step' in refused);
  t.strictSame(refused.steps.map(({ name, status }: { name: string; status: string }) => `${name} ${status}`), ['extract_data completed', 'validate_data completed', 'train completed', 'evaluate completed', 'export skipped', 'deploy skipped']);
  const bad = refused.training_job_id as string;
  const { report } = await client.get(`/v1/retrain/${second}/report`);
  t.match(report, /^# Evaluation\n[^]*## Gate\n\nThe new model is not deployed by its pipeline\./);
  t.ok(report.includes(`POST /deploy/${bad}`) && report.includes('| base | refused |') && report.includes('| general | passed |'), 'the report says what and why');
  t.equal(await target(), good, 'the alias has not moved');
  t.strictSame(await names(), [`toy:${good}`, 'toy:latest'], 'nothing was deployed');
  t.equal((await client.get('/status/' + bad)).status, 'completed', 'its training is a job like any other');
  await chats();

  const byHand = await post(run, `/deploy/${bad}`);
  t.match(byHand, { status: 200, body: { job_id: bad, success: true, model_name: 'toy:latest' } });
  t.equal(await target(), bad);
  t.strictSame(await names(), [`toy:${good}`, `toy:${bad}`, 'toy:latest'].sort());
  await chats();

  t.strictSame(await post(run, '/v1/models/toy:latest/rollback'), { status: 200, body: { name: 'toy:latest', job_id: good, previous_job_id: bad } });
  t.equal(await target(), good, 'in one step');
  t.equal((await client.get('/models')).active_model, 'toy:latest');
  await chats();
  const before = await run.store.lastSequence();
  t.match(await post(run, '/v1/models/toy/rollback'), { status: 400, body: { detail: 'name: there is no version before the one that is served' } }, 'again, by the short name');
  t.match(await post(run, '/v1/models/nobody:latest/rollback'), { status: 404, body: { detail: /^name: there is no deployed model "nobody:latest"/ } });
  t.match(await post(run, `/v1/models/toy:${bad}/rollback`), { status: 404, body: { detail: /^name: / } }, 'a version has nothing to go back to');
  t.equal(await run.store.lastSequence(), before);

  await Promise.all([stack.gateway.kill(), stack.guardian.kill()]);
  await stack.gateway.ready();
  t.equal(await target(), good, 'also after a restart');
  await chats();

  await writeFile(join(stack.trainerDir, 'margin'), '0.2');
  const third = await run.start({ project_path: undefined, project_name: 'toy' });
  t.equal(await run.follow(third), 'completed', 'a better one is deployed by its pipeline again');
  t.equal(await target(), (await pipelineOf(third)).training_job_id);
  t.match(await post(run, '/v1/models/toy/rollback'), { status: 200, body: { job_id: good } }, 'the one that was rolled back is not gone back to');
});
