import type { BlobStore } from '../core/blobs/blob-store.ts';
import type { Logger } from '../core/logger.ts';
import type { TaskContext } from '../core/worker/task-runner.ts';
import type { Children } from './process/children.ts';

/** The trainer's sub-commands. */
export type TrainerCommand = 'train' | 'evaluate' | 'export' | 'starter';

export interface TrainerSettings {
  /** Python of the trainer's environment. */
  python: string;
  /** Threads on CPU. */
  threads: number;
  /** Without a tick of the daemon for so long, the guard kills the trainer. */
  guardMs: number;
  /** How long a trainer may take to save and end when paused, and when the daemon is shut down. */
  pauseMs: number;
  drainMs: number;
  /** How long it may take to end when cancelled. */
  cancelMs: number;
  /** How to call the trainer; by default the Python package beside this file. */
  commandLine?: (command: TrainerCommand, configFile: string) => { command: string; args: string[] };
}

/** What every runner of this host shares. */
export interface RunnerDeps {
  trainer: TrainerSettings;
  /** The blobs as an attempt may use them. */
  blobsFor(context: Pick<TaskContext, 'token' | 'urgent'>): BlobStore;
  children: Children;
  logger: Logger;
}

export const defaultTrainerSettings = { guardMs: 20_000, pauseMs: 60_000, drainMs: 5_000, cancelMs: 3_000 } as const;
