import { setTimeout } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import { sha256Hex } from '../../core/store/envelope.ts';
import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import { silentLogger } from '../../core/logger.ts';
import { TaskFailure, attemptKey, type AttemptRef, type TaskContext, type TaskRunner } from '../../core/worker/task-runner.ts';
import { createWorker } from '../../core/worker/worker.ts';
import { emptyTree } from './blobs.ts';
import { settings } from './gateway.ts';
import type { Process } from './kernel.ts';
import type { Messaging } from './messaging.ts';
import type { JobPlan } from './schedule.ts';

const startAgainMs = 200;
const stepMs = 500;
const stepsPerCheckpoint = 2;
/** Of a tree without files: gateways read it and look whether it is what it is called. */
const digest = sha256Hex(emptyTree);

/** An agent of the services' own code whose trainer is simulated. @param planOf what becomes of a job's trainings */
export function createSimulatedAgent(process: Process, messaging: Messaging, planOf: (taskId: string) => JobPlan | undefined): { boot(): void } {
  const { kernel } = messaging.network;

  async function begin(nats: NatsConnection): Promise<void> {
    const standing = new Set<string>();
    const standsStill = (ref: AttemptRef): boolean => standing.has(attemptKey(ref));
    const worker = createWorker({
      nats,
      workerId: process.name,
      info: { host: process.name, slots: [{ name: 'cpu', kinds: [TaskKind.TRAIN, TaskKind.EXTRACT] }] },
      runners: { [TaskKind.TRAIN]: trainer(planOf, standsStill), [TaskKind.EXTRACT]: extract },
      dirs: { spool: '/spool', work: '/work' },
      settings,
      logger: silentLogger,
      onFenced: (ref) => standing.add(attemptKey(ref)),
      onConfirmed: (ref) => standing.delete(attemptKey(ref)),
    });
    await worker.start();
  }

  return {
    boot() {
      const nats = messaging.connect(process);
      const again = (): void => void kernel.in(startAgainMs, process, () => this.boot());
      if (nats === undefined) again();
      else begin(nats).catch(again);
    },
  };
}

/** Steps that take a while, a checkpoint after every second one, and an end by itself, by order, or by failure. */
function trainer(planOf: (taskId: string) => JobPlan | undefined, standsStill: (ref: AttemptRef) => boolean): TaskRunner {
  return async (context) => {
    const { taskId, attempt, inputs } = context.assignment;
    const plan = planOf(taskId) ?? { steps: 2, failures: 0, retryable: true };
    context.phase('training', plan.steps);
    let step = Number(inputs?.checkpointStep ?? 0);
    while (step < plan.steps) {
      await setTimeout(stepMs);
      if (context.urgent.aborted) return 'stopped';
      if (standsStill({ taskId, attempt })) continue;
      step += 1;
      if (attempt <= plan.failures && step === plan.steps - 1) throw new TaskFailure('crashed', 'as planned', plan.retryable);
      if (context.signal.aborted) {
        await save(context, step, plan.steps);
        return 'stopped';
      }
      if (step % stepsPerCheckpoint === 0) await save(context, step, plan.steps);
    }
    return { kind: { case: 'train', value: { adapterDigest: digest, steps: BigInt(plan.steps), epochs: 1 } } };
  };
}

const save = (context: TaskContext, step: number, steps: number): Promise<void> => context.checkpoint({ step, epoch: step / steps, digest, seconds: 0.1 });

const extract: TaskRunner = async (context) => {
  context.phase('reading');
  await setTimeout(2 * stepMs);
  return context.signal.aborted ? 'stopped' : { kind: { case: 'extract', value: { datasetDigest: digest } } };
};
