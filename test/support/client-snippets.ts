import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import { silentLogger } from '../../core/logger.ts';
import { createEmbeddedBackend } from '../../gateway/inference/embedded/backend.ts';
import { gatewayScene } from './gateway-scene.ts';
import { snippetsOf, type Snippet } from './snippets.ts';
import { writeTinyExport } from './tiny-model.ts';

const root = resolve(import.meta.dirname, '../..');
const run = promisify(execFile);

/** The snippets of docs/clients.md that have something to run. */
export const clientSnippets: readonly Snippet[] = await snippetsOf(join(root, 'docs/clients.md'));

/**
 * A real gateway and a model of the name in the snippets.
 * @returns what runs a snippet by a command, with nothing changed but the port; resolves with its standard output
 */
export async function snippetRunner(t: Pick<Test, 'teardown' | 'testdir'>): Promise<(heading: string, command: string, extension: string) => Promise<string>> {
  const dir = t.testdir();
  const backend = createEmbeddedBackend({ modelsDir: join(dir, 'models'), threads: 1, logger: silentLogger, limits: ['--context', '512', '--slots', '2'] });
  t.teardown(() => backend.stop());
  backend.start();
  await backend.create('my-project:latest', await writeTinyExport(join(dir, 'export')), AbortSignal.timeout(60_000));
  const scene = await gatewayScene(t, { FORGE_INFERENCE: await backend.url(AbortSignal.timeout(30_000)) });
  const { host } = new URL(scene.url);
  // Below the checkout, so that Node finds the packages.
  const folder = await mkdtemp(join(root, '.tap', 'snippets-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return async (heading, command, extension) => {
    const code = clientSnippets.filter((snippet) => snippet.heading === heading).map((snippet) => snippet.code).join('');
    if (code === '') throw new Error(`docs/clients.md has no snippet under "${heading}"`);
    const file = join(folder, `snippet${extension}`);
    await writeFile(file, code.replaceAll('localhost:8000', host));
    // Else LiteLLM first asks another host for its list of prices.
    const env = { ...process.env, LITELLM_LOCAL_MODEL_COST_MAP: 'True', PYTHONDONTWRITEBYTECODE: '1' };
    const args = command === 'sh' ? ['-euc', sourced(file)] : [file];
    return (await run(command, args, { cwd: folder, env, timeout: 120_000, maxBuffer: 16 << 20 })).stdout;
  };
}

/** A script that fails with its first command that does; curl only says so when it is told to. */
function sourced(file: string): string {
  return `curl() { command curl --silent --show-error --fail-with-body --max-time 60 "$@"; }\n. ${file}`;
}
