import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { startPipelineRun, type PipelineRun } from '../../support/pipeline-run.ts';
import { commitFiles } from '../../support/repository.ts';

t.setTimeout(300_000);

const training = { base_model: 'toy/base', max_steps: 12, checkpoint_every_steps: 3 };

/** No feed tells of a pipeline that is still to come: asks again until it is there. @returns its last state */
async function pipeline({ client, follow }: PipelineRun, count: number): Promise<any> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const { retrains } = await client.get('/v1/retrain');
    if (retrains.length > count) throw new Error(`${retrains.length} pipelines, not ${count}`);
    if (retrains.length === count) {
      await follow(retrains[0].job_id);
      return client.get(`/v1/retrain/${retrains[0].job_id}`);
    }
    if (performance.now() > deadline) throw new Error(`only ${retrains.length} of ${count} pipelines were started`);
    await setTimeout(20);
  }
}

/** Until the last decision's reason fits. */
async function decided({ client }: PipelineRun, reason: RegExp): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!reason.test((await client.get('/v1/retrain/decisions?page_size=1')).decisions[0].reason)) {
    if (performance.now() > deadline) throw new Error(`nothing was decided with ${reason}`);
    await setTimeout(20);
  }
}

/** Files like those of the stack's project, unlike each other. */
function modules(count: number, salt: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, file) => [`src/more-${file}.js`, `${Array.from({ length: 24 }, (_line, number) => `export const amount${file}_${number}_${salt} = ${file * 977 + number * 29 + salt}; // amount ${number} of ${file}, as of ${salt}`).join('\n')}\n`]));
}

t.test('a watched project is retrained and deployed by itself, whoever dies meanwhile', async (t) => {
  const run = await startPipelineRun(t, { env: { FORGE_WATCH_MS: '200', FORGE_DEBOUNCE_MS: '300', FORGE_LOSS_MS: '10000' } });
  const { stack, client } = run;
  await client.post('/v1/projects', { name: 'toy', path: 'toy', auto_deploy: true, training });
  const first = await pipeline(run, 1);
  t.match(first, { status: 'completed', trigger: 'watch', reason: /^never trained/, auto_deploy: true });
  t.match((await client.get('/v1/projects/toy')).project, { current_job_id: first.training_job_id, current_commit: first.commit });

  const head = await commitFiles(stack.repository, modules(20, 1));
  const second = await pipeline(run, 2);
  t.match(second, { status: 'completed', trigger: 'watch', reason: '20 files changed (threshold: 20)', commit: head, base_commit: first.commit, steps: Array.from({ length: 6 }, () => ({ status: 'completed' })) });
  t.match((await client.get('/v1/projects/toy')).project, { current_job_id: second.training_job_id, current_commit: head });

  await t.test('a refused commit is tried no more, by a guardian that starts anew either', async (t) => {
    await writeFile(join(stack.trainerDir, 'margin'), '0.01');
    const poor = await commitFiles(stack.repository, modules(20, 2));
    t.match(await pipeline(run, 3), { status: 'refused', commit: poor });
    await stack.guardian.kill();
    await stack.guardian.ready();
    t.match((await client.get('/v1/retrain/monitor?project_name=toy')), { should_retrain: true, reason: '20 files changed (threshold: 20)' }, 'as measured against what is served');
    await commitFiles(stack.repository, modules(19, 3));
    await decided(run, /since then nothing to do: 19 files changed/);
    t.equal((await client.get('/v1/retrain')).retrains.length, 3);
    t.equal((await client.get('/v1/projects/toy')).project.current_commit, head, 'the earlier model serves');
    await writeFile(join(stack.trainerDir, 'margin'), '0.2');
    const better = await commitFiles(stack.repository, { 'src/one-more.js': Object.values(modules(1, 4))[0]! });
    t.match(await pipeline(run, 4), { status: 'completed', commit: better, base_commit: head });
    t.equal((await client.get('/v1/projects/toy')).project.current_commit, better);
  });

  await t.test('commits while one runs, with a guardian killed in it: one more', async (t) => {
    const hold = await stack.trainerHolds('train', 7);
    await commitFiles(stack.repository, modules(20, 5));
    await hold.reached();
    await stack.guardian.kill();
    let last = '';
    for (let n = 6; n < 9; n++) last = await commitFiles(stack.repository, modules(20, n));
    await stack.guardian.ready();
    t.equal((await client.get('/v1/retrain')).retrains.length, 5);
    await hold.release();
    t.match(await pipeline(run, 6), { status: 'completed', commit: last });
    t.equal((await client.get('/v1/projects/toy')).project.current_commit, last);
    await decided(run, /^nothing to do: 0 files changed/);
    t.equal((await client.get('/v1/retrain')).retrains.length, 6);
  });
});
