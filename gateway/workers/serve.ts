import { randomUUID } from 'node:crypto';
import { create, fromBinary, toBinary, type DescMessage, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf';
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { agentAggregate } from '../../core/agent/agent.ts';
import { baseModelAggregate } from '../../core/base-model/base-model.ts';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import type { Config } from '../../core/config.ts';
import { faultPoint } from '../../core/fault.ts';
import {
  AskRequestSchema,
  AskResponseSchema,
  BeatRequestSchema,
  BeatResponseSchema,
  PinBaseRequestSchema,
  PinBaseResponseSchema,
  ReportRequestSchema,
  ReportResponseSchema,
  type PinBaseRequest,
} from '../../core/gen/aiforge/v1/worker_pb.ts';
import type { Logger } from '../../core/logger.ts';
import { isAnswerable } from '../../core/reply-subject.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import type { TaskState } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import type { SealLog } from '../logs/seal.ts';
import { readyAt } from '../scheduler/choose.ts';
import { answerAsk } from './ask.ts';
import { answerBeat } from './beat.ts';
import { LossClock } from './loss-clock.ts';
import { answerReport } from './report.ts';
import type { Roster } from './roster.ts';

/** Everybody listens to it: something may have to be done, or stopped. */
export const wakeSubject = 'work.wake';
const wakeDelayMs = 5;

interface Deps {
  connection: NatsConnection;
  ledger: Ledger;
  blobs: BlobStore;
  roster: Roster;
  sealLog: SealLog;
  config: Pick<Config, 'beatMs' | 'lossMs'>;
  logger: Logger;
}

/** The gateway's side of the worker protocol. The worker's id is taken from the subject alone. */
export function serveWorkers(deps: Deps): { stop(): Promise<void> } {
  const { connection, ledger, blobs, roster, sealLog, config, logger } = deps;
  const gatewayId = randomUUID();
  const clock = new LossClock(config.lossMs, config.beatMs * 3);
  const subscriptions: Subscription[] = [];
  const underWay = new Set<Promise<void>>();

  function serve<I extends DescMessage, O extends DescMessage>(
    verb: string,
    input: I,
    output: O,
    queue: string | undefined,
    answer: (workerId: string, request: MessageShape<I>) => Promise<MessageInitShape<O>>,
  ): void {
    const callback = (error: Error | null, message: Msg): void => {
      if (error !== null) return;
      const workerId = message.subject.split('.')[2]!;
      if (!isAnswerable(message.reply, `_INBOX.${workerId}`)) return;
      const work = handle(workerId, message).finally(() => underWay.delete(work));
      underWay.add(work);
    };
    const handle = async (workerId: string, message: Msg): Promise<void> => {
      try {
        const decided = toBinary(output, create(output, await answer(workerId, fromBinary(input, message.data))));
        faultPoint(`gateway.${verb}.answer`);
        message.respond(decided);
      } catch (error) {
        // Without an answer the worker asks again.
        logger.warn(`a worker's ${verb} could not be answered`, { workerId, error: (error as Error).message });
      }
    };
    subscriptions.push(connection.subscribe(`work.${verb}.*`, { ...(queue === undefined ? {} : { queue }), callback }));
  }

  serve('ask', AskRequestSchema, AskResponseSchema, 'gateway', (workerId, request) => answerAsk({ ledger, roster }, workerId, request));
  serve('report', ReportRequestSchema, ReportResponseSchema, 'gateway', (workerId, request) => answerReport({ ledger, blobs, sealLog }, workerId, request));
  serve('pin', PinBaseRequestSchema, PinBaseResponseSchema, 'gateway', (workerId, request) => answerPin(ledger, workerId, request));
  serve('beat', BeatRequestSchema, BeatResponseSchema, undefined, async (workerId, beat) => {
    roster.heard(workerId, beat);
    for (const { taskId, attempt } of beat.running) {
      // What another worker says of an attempt does not keep it alive.
      const { state } = ledger.head(taskAggregate, taskId);
      if (state.status === 'running' && state.attempt.workerId === workerId) clock.heard(keyOf(taskId, attempt), performance.now());
    }
    return { gatewayId, verdicts: await answerBeat(ledger, workerId, beat) };
  });

  const ownSubject = `gateway.beat.${gatewayId}`;
  subscriptions.push(
    connection.subscribe(ownSubject, {
      callback: () => {
        for (const lost of clock.ownBeat(runningAttempts(ledger), performance.now())) lose(lost);
      },
    }),
  );
  const timer = setInterval(() => connection.publish(ownSubject), config.beatMs);
  // An answer that a gateway took into its death is not waited for until it is late: whoever waits asks again now.
  connection.publish(wakeSubject, 'gateway');

  /** The clock names an attempt at each beat until its loss is recorded. */
  const losing = new Set<string>();
  function lose(key: string): void {
    if (losing.has(key)) return;
    losing.add(key);
    const { taskId, attempt } = parseKey(key);
    const meta = { commandId: `lose:${key}`, actor: 'gateway', time: Date.now() };
    const reason = `no beat of its worker for ${config.lossMs / 1000} s`;
    const record = async () => {
      const { state } = ledger.head(taskAggregate, taskId);
      const held = state.status === 'running' && state.attempt.number === attempt;
      const log = held ? await sealLog({ taskId, workerId: state.attempt.workerId, number: attempt }, 0) : undefined;
      return ledger.execute(taskAggregate, taskId, { type: 'lose', attempt, reason, ...(log === undefined ? {} : { log }) }, meta);
    };
    const work = record()
      .then(
        ({ changed }) => {
          if (changed) logger.warn('an attempt is lost', { taskId, attempt, reason });
        },
        (error: unknown) => logger.warn('the loss of an attempt could not be recorded yet', { taskId, attempt, error: (error as Error).message }),
      )
      .finally(() => {
        losing.delete(key);
        underWay.delete(work);
      });
    underWay.add(work);
  }

  // Whatever may give a worker something to do, or to stop, wakes them: dispatch takes milliseconds.
  let waking: NodeJS.Timeout | undefined;
  const wake = (): void => {
    // A burst of submissions is one call.
    waking ??= setTimeout(() => {
      waking = undefined;
      connection.publish(wakeSubject);
    }, wakeDelayMs);
  };
  const stopListening = ledger.onApplied(({ stored, head }) => {
    if (stored.aggregate === agentAggregate.name) wake();
    if (stored.aggregate !== taskAggregate.name) return;
    const task = head.state as TaskState;
    if (task.status === 'running' && task.requested === 'none') return;
    wake();
    const delay = task.status === 'queued' ? readyAt(task) - Date.now() : 0;
    if (delay > 0) setTimeout(() => connection.isClosed() || connection.publish(wakeSubject), delay + wakeDelayMs).unref();
  });

  return {
    async stop() {
      clearInterval(timer);
      clearTimeout(waking);
      stopListening();
      for (const subscription of subscriptions) subscription.unsubscribe();
      await Promise.allSettled(underWay);
    },
  };
}

async function answerPin(ledger: Ledger, workerId: string, { baseModel, treeDigest, baseModelDigest, shape }: PinBaseRequest): Promise<MessageInitShape<typeof PinBaseResponseSchema>> {
  const meta = { commandId: `pin:${workerId}:${treeDigest}`, actor: `worker:${workerId}`, time: Date.now() };
  const { state } = await ledger.execute(baseModelAggregate, baseModel, { type: 'pin', baseModel, treeDigest, baseModelDigest, shape }, meta);
  return state.status === 'pinned' ? { treeDigest: state.treeDigest, baseModelDigest: state.baseModelDigest } : {};
}

function* runningAttempts(ledger: Ledger): IterableIterator<string> {
  for (const [id, task] of ledger.open(taskAggregate)) if (task.status === 'running') yield keyOf(id, task.attempt.number);
}

function keyOf(taskId: string, attempt: number): string {
  return `${attempt}:${taskId}`;
}

function parseKey(key: string): { taskId: string; attempt: number } {
  const colon = key.indexOf(':');
  return { attempt: Number(key.slice(0, colon)), taskId: key.slice(colon + 1) };
}
