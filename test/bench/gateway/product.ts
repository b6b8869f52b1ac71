import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../../core/config.ts';
import { localSteps } from '../../../deploy/local/local-services.ts';
import { startNats } from '../../support/nats.ts';
import { commitFiles, git } from '../../support/repository.ts';
import { startPinned, type PinnedProcess } from './pinned-process.ts';

export interface Product {
  gateway: PinnedProcess;
  jobId: string;
  stop(): Promise<void>;
}

const root = join(import.meta.dirname, '../../..');

/**
 * The product as `npm start` runs it: nats-server and the gateway (alone on `core`), with one job that is queued. The guardian
 * runs only until the job is made, and there is no agent, so that the job stays as it is.
 */
export async function startProduct(options: { core: number; otherCore: number; upstreamUrl: string; guardianStays?: boolean }): Promise<Product> {
  const { core, otherCore, upstreamUrl } = options;
  const ends: (() => unknown)[] = [];
  const nats = await startNats({ teardown: ((end: () => unknown) => void ends.push(end)) as never });
  const folder = await mkdtemp(join(tmpdir(), 'forge-bench-'));
  ends.push(() => rm(folder, { recursive: true, force: true }));
  const repository = join(folder, 'roots', 'bench');
  await mkdir(repository, { recursive: true });
  await git(repository, 'init', '--quiet');
  await commitFiles(repository, { 'a.py': 'def one():\n    return 1\n' });
  const env: NodeJS.ProcessEnv = { ...process.env, FORGE_NATS_URL: nats.url, FORGE_DATA_DIR: join(folder, 'data'), FORGE_PROJECT_ROOTS: join(folder, 'roots'), FORGE_PORT: '0', FORGE_INFERENCE: upstreamUrl };
  const spec = localSteps(root, loadConfig(env), undefined).flatMap(({ specs }) => specs).find(({ name }) => name === 'gateway')!;
  // A first start fills the cache of compiled files, as a user's first one does.
  await (await startPinned(core, spec.args, { ...env, ...spec.env })).stop();
  const gateway = await startPinned(core, spec.args, { ...env, ...spec.env });
  const guardian = await startPinned(otherCore, [join(root, 'guardian/main.ts')], env);
  ends.push(() => gateway.stop(), () => guardian.stop());
  const answer = await fetch(`${gateway.url}/v1/fine-tune`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ project_name: 'bench' }) });
  const text = await answer.text();
  if (options.guardianStays !== true) await guardian.stop();
  if (!answer.ok) throw new Error(`no job could be made: ${text}`);
  return {
    gateway,
    jobId: (JSON.parse(text) as { job_id: string }).job_id,
    async stop() {
      for (const end of ends.reverse()) await end();
    },
  };
}
