import t, { type Test } from 'tap';
import { checkTrained, trainedState } from '../../support/check-training.ts';
import { enginePid } from '../../support/engine-process.ts';
import { watch } from '../../support/gateway-scene.ts';
import { startPipelineRun, type PipelineRun } from '../../support/pipeline-run.ts';
import { processState, untilGone } from '../../support/proc.ts';
import type { ServiceProcess } from '../../support/service-process.ts';

t.setTimeout(400_000);

const order = ['extract_data', 'validate_data', 'train', 'evaluate', 'export', 'deploy'];
const slow = { FORGE_LOSS_MS: '10000' };

interface Message {
  status?: string;
  current_step?: string;
  message?: string;
}
const until = (run: PipelineRun, id: string, fits: (message: Message) => boolean) => watch(run.stack, id, '', (message) => fits(message));

/** Pauses, and asserts that nothing goes on while guardian and gateway die and come back. */
async function pausedThroughDeaths(t: Test, run: PipelineRun, id: string, step: string): Promise<void> {
  const { stack, client, store } = run;
  await client.post(`/v1/retrain/${id}/pause`, {});
  await until(run, id, (message) => message.status === 'paused' && message.current_step === step);
  const paused = await client.get(`/v1/retrain/${id}`);
  t.strictSame(paused.steps.map(({ name, status }: { name: string; status: string }) => `${name} ${status}`), order.map((name) => `${name} ${name === step ? 'paused' : order.indexOf(name) < order.indexOf(step) ? 'completed' : 'pending'}`));
  const before = await store.lastSequence();
  await Promise.all([stack.guardian.kill(), stack.gateway.kill()]);
  await Promise.all([stack.guardian.ready(), stack.gateway.ready()]);
  t.strictSame(await client.get(`/v1/retrain/${id}`), paused, `${step}: it is as it was`);
  // The guardian answers only once it has read all events, and would have acted on them.
  await client.get('/v1/retrain/monitor?project_path=toy');
  t.equal(await store.lastSequence(), before, `${step}: nothing has gone on`);
}

t.test('paused in one step after the other, with deaths in between, and resumed elsewhere', async (t) => {
  const run = await startPipelineRun(t, { env: slow });
  const { stack, client } = run;
  const hold = await stack.trainerHolds('train', 7);
  const id = await run.start();
  let agent: ServiceProcess = stack.agent;
  let held = hold;
  for (const [step, next] of [['train', 'evaluate'], ['evaluate', 'export'], ['export', undefined]] as const) {
    const pid = await held.reached();
    await pausedThroughDeaths(t, run, id, step);
    await untilGone(pid);
    t.equal(processState(pid), undefined, `${step}: its trainer has ended`);
    await agent.stop();
    agent = await stack.anotherAgent(`after-${step}`);
    await held.release();
    if (next !== undefined) held = await stack.trainerHolds(next, 10);
    else process.kill(enginePid(stack.dataDir), 'SIGSTOP');
    t.match(await client.post(`/v1/retrain/${id}/resume`, {}), { job_id: id, status: 'running' });
  }
  await until(run, id, ({ message }) => message?.startsWith('deploy: task') === true);
  await client.post(`/v1/retrain/${id}/pause`, {});
  await until(run, id, (message) => message.status === 'paused' && message.current_step === 'deploy');
  process.kill(enginePid(stack.dataDir), 'SIGCONT');
  t.strictSame((await client.get('/models')).models, [], 'nothing is deployed yet');
  await Promise.all([stack.guardian.kill(), stack.gateway.kill()]);
  t.match(await client.get(`/v1/retrain/${id}`), { status: 'paused', current_step: 'deploy' });
  await client.post(`/v1/retrain/${id}/resume`, {});
  t.equal(await run.follow(id), 'completed');
  await run.check(t, 'each step once');

  const history = await stack.history();
  const trained = await trainedState(stack.blobs, history, (await client.get(`/v1/retrain/${id}`)).training_job_id);
  t.strictSame(checkTrained(trained!, 12), [], 'no step was made twice');
  const [first, second, ...more] = [...new Set(trained!.made.map(({ pid }) => pid))];
  t.strictSame(more, [], 'two trainers made it');
  t.strictSame([first, second].map((pid) => trained!.made.filter((made) => made.pid === pid).length), [7, 5], 'the second went on where the first was stopped');
  t.equal((await client.get('/models')).active_model, 'toy:latest');
});

t.test('paused while a large repository is read', async (t) => {
  const line = (file: number, number: number): string => `export const value${file}_${number} = ${file * 131 + number * 17}; // number ${number} of module ${file}`;
  const files = Object.fromEntries(Array.from({ length: 1_500 }, (_, file) => [`src/module-${file}.js`, `${Array.from({ length: 60 }, (_line, number) => line(file, number)).join('\n')}\n`]));
  const run = await startPipelineRun(t, { env: slow, files });
  const id = await run.start();
  await until(run, id, ({ message }) => message?.startsWith('extract_data: task') === true);
  await pausedThroughDeaths(t, run, id, 'extract_data');
  await run.client.post(`/v1/retrain/${id}/resume`, {});
  await until(run, id, ({ message }) => message === 'extract_data: completed');
  await run.client.post(`/v1/retrain/${id}/cancel`, {});
  t.equal(await run.follow(id), 'cancelled');
});

t.test('cancelled in each step that runs elsewhere: its trainer ends, nothing is deployed', async (t) => {
  const run = await startPipelineRun(t, { env: slow });
  const { stack, client } = run;
  for (const [command, step] of [['train', 7], ['evaluate', 10], ['export', 10]] as const) {
    const hold = await stack.trainerHolds(command, step);
    const id = await run.start();
    const pid = await hold.reached();
    await client.post(`/v1/retrain/${id}/cancel`, {});
    t.equal(await run.follow(id), 'cancelled', command);
    await untilGone(pid);
    await hold.release();
    const last = (await client.get(`/v1/retrain/${id}`)).steps.map(({ name, status }: { name: string; status: string }) => `${name} ${status}`);
    t.strictSame(last, order.map((name) => `${name} ${order.indexOf(name) < order.indexOf(command) ? 'completed' : 'cancelled'}`));
  }
  process.kill(enginePid(stack.dataDir), 'SIGSTOP');
  const id = await run.start();
  await until(run, id, ({ message }) => message?.startsWith('deploy: task') === true);
  await client.post(`/v1/retrain/${id}/cancel`, {});
  t.equal(await run.follow(id), 'cancelled', 'deploy');
  process.kill(enginePid(stack.dataDir), 'SIGCONT');
  t.strictSame((await client.get('/models')).models, []);
  t.equal(await run.follow(await run.start()), 'completed', 'the project is free for the next one');
  t.equal((await client.get('/models')).active_model, 'toy:latest');
});
