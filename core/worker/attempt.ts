import { mkdir, rm } from 'node:fs/promises';
import { create } from '@bufbuild/protobuf';
import { isForgeError } from '../errors.ts';
import { faultPoint } from '../fault.ts';
import { TaskResultSchema } from '../gen/aiforge/v1/task_pb.ts';
import { BeatVerdict_Verdict, RequestedStop, type Assignment, type BeatVerdict, type Slot } from '../gen/aiforge/v1/worker_pb.ts';
import type { Logger } from '../logger.ts';
import { attemptToken } from './attempt-token.ts';
import { createFence } from './fence.ts';
import type { Link } from './link.ts';
import { createReporter, type ReportBody } from './report.ts';
import type { AttemptSpool } from './spool.ts';
import { createStopControl } from './stop-control.ts';
import { TaskFailure, type AttemptRef, type StopReason, type TaskContext, type TaskRunner } from './task-runner.ts';
import { createTelemetry } from './telemetry.ts';

export interface AttemptOptions {
  link: Link;
  bootId: string;
  assignment: Assignment;
  /** Whose hash the ask brought. */
  secret: string;
  slot: Slot;
  /** When the ask was sent whose answer gave the attempt. */
  sentAt: number;
  runner: TaskRunner;
  spool: AttemptSpool;
  workDir: string;
  fenceMs: number;
  onFenced(ref: AttemptRef): void;
  onConfirmed(ref: AttemptRef): void;
  logger: Logger;
}

export interface RunningAttempt {
  readonly ref: AttemptRef;
  /** Name of the slot it runs in. */
  readonly slot: string;
  verdict(verdict: BeatVerdict, sentAt: number): void;
  stop(reason: StopReason): void;
  /** Resolves when the attempt is over here and its last report was answered, or this worker stops. Never rejects. */
  readonly done: Promise<void>;
}

/** Starts one attempt: runs it, reports it, heeds what the gateways say about it, and cleans up. */
export function startAttempt(options: AttemptOptions): RunningAttempt {
  const { link, assignment, spool, logger } = options;
  const ref: AttemptRef = { taskId: assignment.taskId, attempt: assignment.attempt };
  const control = createStopControl();
  const telemetry = createTelemetry(link, ref);
  const fence = createFence({
    fenceMs: options.fenceMs,
    sentAt: options.sentAt,
    onFenced: () => {
      logger.warn('not confirmed for too long: standing still', { ...ref });
      options.onFenced(ref);
    },
    onConfirmed: () => {
      logger.info('confirmed again: going on', { ...ref });
      options.onConfirmed(ref);
    },
  });
  const onRequested = (requested: RequestedStop): void => {
    if (requested === RequestedStop.CANCEL) control.request('cancel');
    else if (requested === RequestedStop.PAUSE) control.request('pause');
    else if (requested === RequestedStop.DRAIN) control.request('drain');
  };
  const reporter = createReporter({ link, bootId: options.bootId, spool, logger, onRequested, onRefused: () => control.request('lost') });

  const context: TaskContext = {
    assignment,
    slot: options.slot,
    workDir: options.workDir,
    token: attemptToken(ref, options.secret),
    signal: control.signal,
    urgent: control.urgent,
    phase: (phase, totalSteps) => void reporter.send({ case: 'phase', value: { phase, ...(totalSteps === undefined ? {} : { totalSteps: BigInt(totalSteps) }) } }),
    checkpoint: ({ step, epoch, loss, digest, seconds }) =>
      reporter.send({ case: 'checkpoint', value: { step: BigInt(step), epoch, loss, digest, seconds, telemetry: BigInt(telemetry.flush()) } }),
    metric: (metric) => telemetry.metric(metric),
    log: (line) => telemetry.log(line),
  };

  /** @returns the report that ends the attempt; undefined where nobody wants it any more */
  async function run(): Promise<ReportBody | undefined> {
    try {
      await rm(options.workDir, { recursive: true, force: true });
      await mkdir(options.workDir, { recursive: true });
      const result = await options.runner(context);
      if (result !== 'stopped') return { case: 'completed', value: { result: create(TaskResultSchema, result) } };
      if (control.reason === undefined) return { case: 'failed', value: { code: 'internal', reason: 'the runner stopped without being asked to', retryable: true } };
      if (control.reason === 'drain') return { case: 'returned', value: { reason: 'the worker is being drained' } };
      return control.reason === 'lost' ? undefined : { case: 'stopped', value: {} };
    } catch (error) {
      if (control.reason === 'lost') return undefined;
      const failure = asFailure(error);
      logger.warn('the attempt failed', { ...ref, code: failure.code, error });
      return { case: 'failed', value: { code: failure.code, reason: failure.message.slice(0, 4_000), retryable: failure.retryable } };
    } finally {
      fence.close();
    }
  }

  async function conclude(): Promise<void> {
    let body = await run();
    faultPoint('agent.result');
    telemetry.flush();
    // A worker that stops has not lost its attempts: the next start gives them back.
    if (body === undefined && link.stopped.aborted) body = { case: 'returned', value: { reason: 'the worker was stopped' } };
    if (body === undefined) reporter.abandon();
    else await reporter.finish(body, telemetry.logLines);
    telemetry.close();
    faultPoint('agent.ended');
    if ((await reporter.ended) === 'unsent') await spool.close();
    else await spool.remove();
  }

  const done = conclude()
    .catch((error: unknown) => logger.error('an attempt could not be concluded', { ...ref, error }))
    .finally(() => rm(options.workDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }).catch((error: unknown) => logger.warn('a work folder stays behind', { ...ref, error })));

  return {
    ref,
    slot: options.slot.name,
    verdict(verdict, sentAt) {
      if (verdict.verdict === BeatVerdict_Verdict.NOT_YOURS) return control.request('lost');
      if (verdict.verdict !== BeatVerdict_Verdict.YOURS) return;
      fence.confirm(sentAt);
      onRequested(verdict.requested);
    },
    stop: (reason) => control.request(reason),
    done,
  };
}

function asFailure(error: unknown): TaskFailure {
  if (error instanceof TaskFailure) return error;
  const message = error instanceof Error ? error.message : String(error);
  if ((error as NodeJS.ErrnoException | null)?.code === 'ENOSPC') return new TaskFailure('disk_full', message, true, { cause: error });
  // What a client sent or pinned is wrong: another attempt meets the same.
  if (isForgeError(error, 'invalid_argument') || isForgeError(error, 'not_found')) return new TaskFailure(error.code, message, false, { cause: error });
  return new TaskFailure('internal', message, true, { cause: error });
}
