import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { findLlamaTools } from '../../gpu-agent/llama-tools.ts';
import type { ExportedModel } from '../../gateway/inference/backend.ts';

const root = resolve(import.meta.dirname, '../..');
const python = resolve(root, '.venv/bin/python');
const limitMs = 120_000;

/** Options of a test that needs the trainer's environment: skipped, saying so, where there is none. */
export const needsTrainer = (): { skip?: string } => (existsSync(python) ? {} : { skip: 'there is no .venv; `npm test` makes it' });

/** An export by the real trainer: a starter model of ten steps, merged, converted and quantized to Q4_K_M. */
export async function makeRealExport(dir: string): Promise<ExportedModel> {
  await mkdir(dir, { recursive: true });
  const { libraryDir, converterDir } = await findLlamaTools(resolve(root, 'node_modules'), python);
  const script = resolve(import.meta.dirname, 'python-client/make_export.py');
  // One thread: a model this small only waits for more, the longer the busier the machine is.
  const env = { ...process.env, OMP_NUM_THREADS: '1', PYTHONPATH: resolve(root, 'gpu-agent/trainer') };
  const { stdout } = await promisify(execFile)(python, [script, dir, resolve(root, 'gateway'), libraryDir, converterDir], { env, timeout: limitMs, maxBuffer: 16 * 1024 * 1024 });
  return { dir, ggufDigest: stdout.trim().split('\n').at(-1)! };
}
