import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { trainerDir } from '../../../gpu-agent/run-trainer.ts';
import { parseEvent, type TrainerEvent } from '../../../gpu-agent/trainer-events.ts';

export const python = join(import.meta.dirname, '../../../.venv/bin/python');

/**
 * Runs one command of the trainer to its end.
 * @param config its settings; `threads` also bounds those of the numeric libraries
 * @param folder where the configuration is written
 * @returns the fields of its result
 * @throws Error with what it said of its failure
 */
export async function runTrainer(command: string, config: Readonly<Record<string, unknown>>, folder: string): Promise<TrainerEvent> {
  const file = join(folder, `${command}.json`);
  await writeFile(file, JSON.stringify(config));
  const child = spawn(python, ['-m', 'forge_trainer', command, '--config', file], {
    cwd: trainerDir,
    stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
    env: { ...process.env, FORGE_TRAINER_EVENTS_FD: '3', OMP_NUM_THREADS: String(config['threads'] ?? 1) },
  });
  let log = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-4_000)));
  let result: TrainerEvent | undefined;
  const lines = createInterface({ input: child.stdio[3] as Readable });
  lines.on('line', (line) => {
    const event = parseEvent(line);
    if (event?.type === 'result') result = event;
    if (event?.type === 'error') log = `${String(event['message'])}\n${log}`;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0 || result === undefined) throw new Error(`${command} ended with ${code}: ${log}`);
  return result;
}
