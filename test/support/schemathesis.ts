import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Test } from 'tap';
import { silentLogger } from '../../core/logger.ts';
import { createEmbeddedBackend } from '../../gateway/inference/embedded/backend.ts';
import { runProcess } from '../runner/run-process.ts';
import { gatewayScene, type GatewayScene } from './gateway-scene.ts';
import { pythonTools } from './python-tools.ts';
import { writeTinyExport } from './tiny-model.ts';

const requirements = resolve(import.meta.dirname, '../openapi/requirements.txt');

/** What an answer must keep to; whether valid data is accepted depends on what is there, which no schema says. */
const checks = [
  'not_a_server_error', 'status_code_conformance', 'content_type_conformance', 'response_headers_conformance', 'response_schema_conformance',
  'negative_data_rejection', 'missing_required_header', 'unsupported_method', 'allow_header_conformance', 'use_after_free',
];

/** 501 is no fault: it says what the backend has not, such as responses of the embedded engine. */
const settings = '[checks]\nnot_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 501]\n';

export interface Found {
  /** 0 where nothing was found; undefined where it took too long. */
  status: number | undefined;
  output: string;
}

/**
 * Runs schemathesis over a real gateway with nats-server, a guardian, a worker and a model: all routes with whatever it
 * thinks up, and those with a field in their path once more with the ids of what is there.
 * @param options `examples`: random requests for each route; `seed` makes them the same each time
 */
export async function schemathesis(t: Pick<Test, 'teardown' | 'testdir'>, options: { examples: number; seed: number; limitMs: number }): Promise<{ anything: Found; known: Found }> {
  const dir = t.testdir();
  const backend = createEmbeddedBackend({ modelsDir: join(dir, 'models'), threads: 1, logger: silentLogger, limits: ['--context', '128', '--slots', '4'] });
  t.teardown(() => backend.stop());
  backend.start();
  await backend.create('tiny', await writeTinyExport(join(dir, 'export')), AbortSignal.timeout(60_000));
  const scene = await gatewayScene(t, { FORGE_INFERENCE: await backend.url(AbortSignal.timeout(30_000)), FORGE_WEBHOOK_SECRET: 'a secret of this test', FORGE_WAIT_MS: '100' });
  await scene.guardian();
  // It holds its task until it is told to stop.
  await scene.trainer(({ signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve('stopped'), { once: true })));
  const bin = await pythonTools(requirements);
  const run = async (phases: string, ...more: string[]): Promise<Found> => {
    const ended = await runProcess(join(bin, 'schemathesis'), [
      '--config-file', join(dir, 'schemathesis.toml'), '--no-color', 'run', `${scene.url}/openapi.json`, '--phases', phases, '--checks', checks.join(','),
      '--seed', String(options.seed), '--max-examples', String(options.examples), '--continue-on-failure', '--generation-database', 'none',
      '--warnings', 'off', '--request-timeout', '20', '--workers', '2', ...more,
    ], { cwd: dir, env: process.env, limitMs: options.limitMs });
    return { status: ended.timedOut ? undefined : ended.status, output: ended.stdout + ended.stderr };
  };

  await writeFile(join(dir, 'schemathesis.toml'), settings);
  const anything = await run('coverage,fuzzing,stateful');
  await writeFile(join(dir, 'schemathesis.toml'), settings + (await knownIds(scene)));
  const known = await run('fuzzing', '--include-path-regex', '[{]');
  return { anything, known };
}

/** A job, a dataset, a pipeline and a project, as settings of schemathesis. */
async function knownIds(scene: GatewayScene): Promise<string> {
  const made = async (path: string, body: unknown): Promise<Record<string, unknown>> => {
    const answer = await scene.post(path, body);
    if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  await made('/v1/projects', { name: scene.project, path: scene.project, watch: false });
  const job = await made('/v1/fine-tune', { project_name: scene.project });
  const dataset = await made('/v1/datasets', { project_name: scene.project });
  const pipeline = await made('/v1/retrain', { project_name: scene.project, force: true });
  const operations: [paths: string, field: string, value: unknown][] = [
    ['^/(status|deploy|validate|v1/fine-tune)/', 'job_id', job['job_id']],
    ['^/v1/retrain/', 'job_id', pipeline['job_id']],
    ['^/v1/datasets/', 'dataset_id', dataset['dataset_id']],
    ['^/v1/(projects|models)/', 'name', scene.project],
    ['^/v1/models/', 'model', 'tiny'],
  ];
  return operations.map(([paths, field, value]) => `[[operations]]\ninclude-path-regex = '${paths}'\nparameters = { ${field} = '${String(value)}' }\n`).join('\n');
}
