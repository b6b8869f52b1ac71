import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { trainerDir } from '../../gpu-agent/run-trainer.ts';
import { parseEvent, type TrainerEvent } from '../../gpu-agent/trainer-events.ts';

export const python = join(import.meta.dirname, '../../.venv/bin/python');

/**
 * Runs one command of the real trainer to its end, as the agent would.
 * @param config its settings, written beside `output_dir`; `threads` also bounds those of the numeric libraries
 * @returns its `result` event
 * @throws Error with its `error` event, or the end of its log
 */
export async function runTrainer(command: 'starter' | 'train' | 'evaluate' | 'export', config: { output_dir: string } & Record<string, unknown>): Promise<TrainerEvent> {
  const file = `${config.output_dir}.json`;
  await writeFile(file, JSON.stringify(config));
  const child = spawn(python, ['-m', 'forge_trainer', command, '--config', file], {
    cwd: trainerDir,
    stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
    env: { ...process.env, FORGE_TRAINER_EVENTS_FD: '3', ...(config['threads'] === undefined ? {} : { OMP_NUM_THREADS: String(config['threads']) }) },
  });
  let log = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-4_000)));
  let result: TrainerEvent | undefined;
  let failure: string | undefined;
  const ended = once(child, 'close');
  for await (const line of createInterface({ input: child.stdio[3] as Readable })) {
    const event = parseEvent(line);
    if (event?.type === 'result') result = event;
    if (event?.type === 'error') failure = `${event['code']}: ${event['message']}`;
  }
  const [code] = (await ended) as [number];
  if (code !== 0 || result === undefined) throw new Error(`${command} ended with ${code}: ${failure ?? log}`);
  return result;
}
