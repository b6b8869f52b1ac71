// Hosts that share no disk: only NATS and the gateway's port are in reach of agents and guardian.
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { blobPath } from '../../core/blobs/blob-files.ts';
import { readTree } from '../../core/blobs/tree.ts';
import { dataPaths } from '../../core/config.ts';
import type { Stack } from '../support/stack.ts';
import { startFaultRun, type FaultRun } from '../support/fault-run.ts';
import { watch } from '../support/gateway-scene.ts';
import { startPipelineRun } from '../support/pipeline-run.ts';
import { writeTinyExport } from '../support/tiny-model.ts';

const training = { max_steps: 12, checkpoint_every_steps: 3 };

/** Submits a job and pauses it in its middle. @returns its id, and how the next trainer gets past that place */
async function pausedJob({ stack, client }: FaultRun, key: string): Promise<{ jobId: string; release(): Promise<void> }> {
  const hold = await stack.trainerHolds('train', 5);
  const jobId = await client.submit(key, training);
  await hold.reached();
  await client.post(`/v1/fine-tune/${jobId}/pause`, {});
  await watch(stack, jobId, '', (message) => message['status'] === 'paused');
  return { jobId, release: hold.release };
}

/** The workers that its attempts were given to. */
async function workersOf(stack: Stack, jobId: string): Promise<string[]> {
  const events = (await stack.history()).filter(({ id }) => id === jobId).flatMap(({ envelope }) => envelope.events);
  return events.flatMap(({ kind }) => (kind.case === 'attemptStarted' ? [kind.value.workerId] : []));
}

t.test('a job that is paused on one host is resumed on another, exported and deployed', { timeout: 180_000 }, async (t) => {
  const run = await startFaultRun(t, { apart: true, env: { FORGE_INFERENCE: 'embedded', FORGE_LOSS_MS: '10000' } });
  const { stack, client } = run;
  await writeTinyExport(join(stack.trainerDir, 'export'));
  const { jobId, release } = await pausedJob(run, 'two-hosts');
  await stack.agent.stop();
  t.notOk(existsSync(dataPaths(stack.dataDirOf('second')).blobCache), 'the other host has nothing yet');
  await stack.anotherAgent('second');
  await release();
  await client.post(`/v1/fine-tune/${jobId}/resume`, {});
  t.equal(await client.follow(jobId), 'completed');
  t.same(await workersOf(stack, jobId), ['local', 'second']);

  const deployed = (await client.post(`/deploy/${jobId}`, {})) as Record<string, unknown>;
  t.match(deployed, { job_id: jobId });
  t.same(await workersOf(stack, `${jobId}.export`), ['second']);
  const answer = (await client.post('/v1/chat/completions', { model: 'toy:latest', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 4 })) as Record<string, unknown>;
  t.match(answer, { object: 'chat.completion' });
  for (const worker of ['guardian', 'local', 'second']) {
    const paths = dataPaths(stack.dataDirOf(worker));
    t.ok(existsSync(paths.blobCache) && !existsSync(paths.blobs), `${worker} has a cache, and no blobs of its own`);
  }
  await run.check(t, 'the promises hold');
  t.notMatch(stack.logs(), /forge_attempt/, 'no token is in a log');
});

t.test('a checkpoint that was altered on the gateway’s disk fails the attempt with the reason', { timeout: 120_000 }, async (t) => {
  const run = await startFaultRun(t, { apart: true, env: { FORGE_LOSS_MS: '10000' } });
  const { stack, client } = run;
  const { jobId, release } = await pausedJob(run, 'altered');
  await stack.agent.stop();
  const saved = (await stack.history()).filter(({ id }) => id === jobId).flatMap(({ envelope }) => envelope.events).findLast(({ kind }) => kind.case === 'checkpointSaved')!.kind;
  const { digest } = (await readTree(stack.blobs, (saved.value as { digest: string }).digest)).files.find(({ path }) => path === 'weights.bin')!;
  const path = blobPath(dataPaths(stack.dataDir).blobs, digest);
  const bytes = await readFile(path);
  bytes[100]! ^= 1;
  await writeFile(path, bytes);

  await stack.anotherAgent('second');
  await release();
  await client.post(`/v1/fine-tune/${jobId}/resume`, {});
  t.equal(await client.follow(jobId), 'failed');
  const job = JSON.stringify(await client.get(`/status/${jobId}`));
  t.match(job, new RegExp(`the checkpoint [0-9a-f]{64} can't be read: blob ${digest} was altered`));
  t.same(await workersOf(stack, jobId), ['local', 'second'], 'another attempt would meet the same');
});

t.test('a pipeline whose guardian and agent share no disk with the gateway: data are checked, the gate decides, and the model is deployed', { timeout: 180_000 }, async (t) => {
  const run = await startPipelineRun(t, { apart: true, env: { FORGE_LOSS_MS: '10000' } });
  const id = await run.start();
  t.equal(await run.follow(id), 'completed');
  const { report } = await run.client.get(`/v1/retrain/${id}/report`);
  t.match(report, /## Gate/);
  t.notOk(existsSync(dataPaths(run.stack.dataDirOf('guardian')).blobs));
  await run.check(t, 'each step has run once');
});
