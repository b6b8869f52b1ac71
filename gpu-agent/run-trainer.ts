import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TaskFailure, type TaskContext } from '../core/worker/task-runner.ts';
import type { RunnerDeps, TrainerCommand } from './deps.ts';
import { crashOf, failureOf } from './failure.ts';
import { startChild, type Child } from './process/child.ts';
import { asMetric, numberOf, parseEvent, textOf, type TrainerEvent } from './trainer-events.ts';

/** Folder of the Python package `forge_trainer`. */
export const trainerDir = join(import.meta.dirname, 'trainer');
/** Exit statuses of the trainer's own. */
const exitSaved = 75;
const exitCancelled = 76;
const lastLinesKept = 40;

export interface TrainerRun {
  command: TrainerCommand;
  /** The configuration file's contents; unknown keys are refused by the trainer. */
  config: Readonly<Record<string, unknown>>;
  /** Called for each `checkpoint` event: the directory it names is complete. */
  onCheckpoint?(event: TrainerEvent): void;
}

/**
 * Runs one command of the trainer for an attempt: its events become phases and telemetry, the attempt's signals
 * become its orders. Completion beats a stop: a trainer that finished while it was told to pause has finished.
 * @returns the `result` event, or `stopped` when it ended because of the signal
 * @throws TaskFailure
 */
export async function runTrainer(deps: RunnerDeps, context: TaskContext, run: TrainerRun): Promise<TrainerEvent | 'stopped'> {
  if (context.signal.aborted) return 'stopped';
  const configFile = join(context.workDir, `${run.command}.json`);
  await writeFile(configFile, JSON.stringify(run.config, null, 2));

  const lastLines: string[] = [];
  let result: TrainerEvent | undefined;
  let failure: TrainerEvent | undefined;
  let phase = 'loading';
  let totalSteps: number | undefined;
  const onEvent = (line: string): void => {
    const event = parseEvent(line);
    if (event === undefined) return deps.logger.warn('the trainer sent a line that is no event', { line: line.slice(0, 200) });
    switch (event.type) {
      case 'phase':
        phase = textOf(event, 'phase') ?? phase;
        return context.phase(phase, totalSteps);
      case 'plan':
        totalSteps = numberOf(event, 'total_steps');
        return context.phase(phase, totalSteps);
      case 'checkpoint':
        return run.onCheckpoint?.(event);
      case 'result':
        result = event;
        return;
      case 'error':
        failure = event;
        return;
      default: {
        const metric = asMetric(event, totalSteps);
        if (metric !== undefined) context.metric(metric);
      }
    }
  };
  const onLog = (line: string): void => {
    if (line.trim() === '') return;
    lastLines.push(line.slice(0, 500));
    if (lastLines.length > lastLinesKept) lastLines.shift();
    context.log(line);
  };

  const child = startChild({
    ...commandLine(deps, run.command, configFile),
    cwd: trainerDir,
    env: environment(deps, context),
    silenceMs: deps.trainer.guardMs,
    onEvent,
    onLog,
  });
  const takeOut = deps.children.add(context.assignment, child);
  const release = obey(deps, context, child);
  try {
    const exit = await child.exited;
    if (exit.code === 0 && result !== undefined) return result;
    if (failure !== undefined) throw failureOf(failure);
    if (context.signal.aborted) return 'stopped';
    if (exit.code === exitSaved || exit.code === exitCancelled) throw new TaskFailure('interrupted', 'the trainer was stopped from outside, not by this worker', true);
    throw crashOf(exit, lastLines);
  } finally {
    release();
    takeOut();
  }
}

/** Turns the attempt's signals into the trainer's orders, each with a deadline. @returns the way to end that */
function obey(deps: RunnerDeps, context: TaskContext, child: Child): () => void {
  const { pauseMs, drainMs, cancelMs } = deps.trainer;
  const timers: NodeJS.Timeout[] = [];
  const killAfter = (ms: number): void => void timers.push(setTimeout(child.kill, ms));
  const onSignal = (): void => {
    const reason: unknown = context.signal.reason;
    if (reason !== 'pause' && reason !== 'drain') return;
    child.send({ command: 'pause' });
    killAfter(reason === 'drain' ? drainMs : pauseMs);
  };
  const onUrgent = (): void => {
    if (context.urgent.reason === 'lost') return child.kill();
    child.send({ command: 'cancel' });
    killAfter(cancelMs);
  };
  for (const [signal, listener] of [[context.signal, onSignal], [context.urgent, onUrgent]] as const) {
    if (signal.aborted) listener();
    else signal.addEventListener('abort', listener, { once: true });
  }
  return () => {
    for (const timer of timers) clearTimeout(timer);
    context.signal.removeEventListener('abort', onSignal);
    context.urgent.removeEventListener('abort', onUrgent);
  };
}

function commandLine({ trainer }: RunnerDeps, command: TrainerCommand, configFile: string): { command: string; args: string[] } {
  return trainer.commandLine?.(command, configFile) ?? { command: trainer.python, args: ['-u', '-m', 'forge_trainer', command, '--config', configFile] };
}

/** This process's environment without our own settings, plus what the trainer needs; its GPU is the slot's, and no other. */
function environment({ trainer }: RunnerDeps, context: TaskContext): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('FORGE_'));
  return {
    ...Object.fromEntries(inherited),
    FORGE_TRAINER_EVENTS_FD: '3',
    PYTHONPATH: trainerDir,
    PYTHONDONTWRITEBYTECODE: '1',
    TOKENIZERS_PARALLELISM: 'false',
    OMP_NUM_THREADS: String(trainer.threads),
    // A trainer that is killed leaves its temporary files: there they go with the attempt.
    TMPDIR: context.workDir,
    // nvidia-smi, from which a slot has its index, counts by the bus; CUDA by speed unless it is told.
    CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
    CUDA_VISIBLE_DEVICES: context.slot.gpuIndex === undefined ? '' : String(context.slot.gpuIndex),
  };
}
