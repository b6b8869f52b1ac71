import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const root = join(import.meta.dirname, '../..');
export const python = join(root, '.venv/bin/python');

export type TrainerResult = Record<string, unknown>;

/**
 * Runs one command of the real trainer to its end, as the agent would.
 * @returns its `result` event
 * @throws Error with its `error` event, or the end of its log
 */
export async function runTrainer(command: 'starter' | 'train' | 'evaluate' | 'export', config: { output_dir: string } & Record<string, unknown>): Promise<TrainerResult> {
  const file = `${config.output_dir}.json`;
  await writeFile(file, JSON.stringify(config));
  const child = spawn(python, ['-m', 'forge_trainer', command, '--config', file], {
    cwd: join(root, 'gpu-agent/trainer'),
    stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
    env: { ...process.env, FORGE_TRAINER_EVENTS_FD: '3' },
  });
  let log = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-4_000)));
  let result: TrainerResult | undefined;
  let failure: string | undefined;
  const ended = once(child, 'close');
  for await (const line of createInterface({ input: child.stdio[3] as NodeJS.ReadableStream })) {
    const event = JSON.parse(line) as Record<string, unknown>;
    if (event['type'] === 'result') result = event;
    if (event['type'] === 'error') failure = `${event['code']}: ${event['message']}`;
  }
  const [code] = (await ended) as [number];
  if (code !== 0 || result === undefined) throw new Error(`${command} ended with ${code}: ${failure ?? log}`);
  return result;
}
