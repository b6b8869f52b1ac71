// `npm run quickstart`: fine-tunes a model on a git repository and chats with it, by the public API alone.
import { randomUUID } from 'node:crypto';
import { join, resolve } from 'node:path';
import { loadConfig } from '../../core/config.ts';
import { onParentGone } from './end-with.ts';
import { ask } from './quickstart/chat.ts';
import { createApi } from './quickstart/api.ts';
import { cancelJob, unfinishedJobs } from './quickstart/jobs.ts';
import { parseQuickstartArguments } from './quickstart/arguments.ts';
import { chooseBaseModel } from './quickstart/base-model.ts';
import { startService, type LocalService } from './quickstart/local-service.ts';
import { findRepository, questionFor } from './quickstart/repository.ts';
import { nextSteps, summaryLines, trainingStage, type Validation } from './quickstart/summary.ts';
import { createTerminal } from './quickstart/terminal.ts';
import { watchJob } from './quickstart/watch-job.ts';

const root = resolve(import.meta.dirname, '..', '..');
const terminal = createTerminal(process.stdout);
const interrupted = new AbortController();
let service: LocalService | undefined;
/** The job that would go on at the next start if this run is broken off. */
let started: string | undefined;

async function main(): Promise<void> {
  const wanted = parseQuickstartArguments(process.argv.slice(2));
  const repository = findRepository(resolve(process.env['INIT_CWD'] ?? process.cwd(), wanted.path));
  const config = loadConfig({ FORGE_PYTHON: join(root, '.venv/bin/python'), ...process.env });
  const stages: [string, number][] = [];
  /** Names a step, so that an error tells which one failed, and measures it. */
  const stage = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const begin = performance.now();
    try {
      return await work();
    } catch (error) {
      throw new Error(`${name} failed: ${(error as Error).message}`, { cause: error });
    } finally {
      stages.push([name, (performance.now() - begin) / 1000]);
    }
  };

  const choice = await chooseBaseModel(wanted.baseModel);
  terminal.line(choice.why);
  terminal.line('Starting AI Forge');
  service = await stage('start', () => terminal.during('starting', startService(root, config, repository.path, interrupted.signal)));
  terminal.line(`  ${service.found ? 'it already runs' : 'ready'} on ${service.url} (process ${service.pid})`);
  const api = createApi(service.url, interrupted.signal);

  terminal.line(`Fine-tuning on ${repository.path}, commit ${repository.commit.slice(0, 12)}`);
  const watched = await stage(trainingStage, async () => {
    const body = { project_name: repository.project, project_path: repository.path, base_model: choice.baseModel, ...choice.hyperparameters };
    for (const other of await unfinishedJobs(api)) terminal.line(`  ${other.job_id} of project ${other.project_name ?? '?'} is ${other.status} and goes first; to end it: curl -X POST ${api.url}/v1/fine-tune/${other.job_id}/cancel`);
    const job = await api.post<{ job_id: string }>('/v1/fine-tune', body, { 'idempotency-key': `quickstart-${randomUUID()}` });
    started = job.job_id;
    terminal.line(`  ${job.job_id} of project ${repository.project}`);
    const end = await watchJob(service!.url, job.job_id, terminal, interrupted.signal);
    if (end.status !== 'completed') throw new Error(`${job.job_id} is ${end.status}: ${end.message ?? 'no reason given'}`);
    started = undefined;
    return { ...end, jobId: job.job_id };
  });
  const { jobId } = watched;

  terminal.line('Evaluating on held-out files against the base model');
  const validation = await stage('evaluation', () => terminal.during('evaluating', api.post<Validation>(`/validate/${jobId}`)));
  terminal.line(`  ${validation.passed ? 'passed' : 'not passed'}: report in ${validation.report_path}`);

  terminal.line('Exporting GGUF and deploying');
  const deployed = await stage('export and deploy', () => terminal.during('exporting', api.post<{ success: boolean; model_name: string; gguf_path: string }>(`/deploy/${jobId}`)));
  if (!deployed.success) throw new Error(`export and deploy failed: ${JSON.stringify(deployed)}`);
  terminal.line(`  ${deployed.model_name} serves (${deployed.gguf_path})`);

  const question = wanted.question ?? questionFor(repository.path);
  terminal.line(`Asking ${deployed.model_name}: ${question}\n`);
  const asked = await stage('chat', () => ask(api, deployed.model_name, question, terminal));

  terminal.line(`\nMeasured\n${summaryLines({ watched, validation, asked, stages }).join('\n')}`);
  const setting = process.env['FORGE_DATA_DIR'] ? `FORGE_DATA_DIR=${process.env['FORGE_DATA_DIR']} ` : '';
  terminal.line(`\nAI Forge runs on ${service.url}\n${nextSteps({ url: service.url, model: deployed.model_name, jobId, dataDir: config.dataDir, gguf: deployed.gguf_path, report: validation.report_path, pid: service.pid, stopCommand: `${setting}npm stop` }).join('\n')}`);
  await service.release();
}

const interrupt = (): void => interrupted.abort(new Error('interrupted'));
process.on('SIGINT', interrupt);
process.on('SIGTERM', interrupt);
onParentGone(interrupt);
main().then(
  () => process.exit(0),
  async (error: unknown) => {
    terminal.line(`\nquickstart: ${interrupted.signal.aborted ? 'interrupted; stopping what it started' : (error as Error).message}`);
    if (service !== undefined && started !== undefined) await cancelJob(service.url, started);
    await service?.stop();
    process.exit(interrupted.signal.aborted ? 130 : 1);
  },
);
