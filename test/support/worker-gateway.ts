import { EventEmitter } from 'node:events';
import { create, fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import {
  AskRequestSchema, AskResponseSchema, type AssignmentSchema, BeatRequestSchema, BeatResponseSchema, BeatVerdict_Verdict, PinBaseRequestSchema, PinBaseResponseSchema,
  ReportOutcome, ReportRequestSchema, ReportResponseSchema, RequestedStop, TelemetrySchema,
  type AskRequest, type BeatRequest, type PinBaseRequest, type ReportRequest, type Telemetry,
} from '../../core/gen/aiforge/v1/worker_pb.ts';

type Assignment = MessageInitShape<typeof AssignmentSchema> & { taskId: string; attempt: number; kind: TaskKind };

/** A gateway's side of the worker protocol, small: in memory, decides reports by number, says what a test sets. */
export interface WorkerGateway {
  readonly asks: AskRequest[];
  readonly beats: BeatRequest[];
  readonly accepted: ReportRequest[];
  /** Every report that came, repeated ones too. */
  readonly received: ReportRequest[];
  readonly telemetry: Telemetry[];
  /** Puts a task on the queue and wakes the workers. */
  offer(assignment: Assignment): void;
  request(taskId: string, stop: RequestedStop): void;
  /** From now on the attempt is someone else's. */
  lose(taskId: string, attempt: number): void;
  /** While false, nothing is answered (messages are still seen). */
  answering: boolean;
  /** Overrides the decision on one report; undefined: decide. */
  decideFirst: ((report: ReportRequest) => ReportOutcome | undefined) | undefined;
  /** Asks for which this is true get their attempt, but the answer is lost. */
  swallow: ((ask: AskRequest) => boolean) | undefined;
  /** Gives out tasks whatever kinds were asked for. */
  ignoreKinds: boolean;
  pin: ((request: PinBaseRequest) => { treeDigest: string; baseModelDigest: string }) | undefined;
  wake(): void;
  /** Resolves with the first item, seen or to come, that fits. Rejects after `ms`. */
  until<T>(list: 'asks' | 'beats' | 'accepted' | 'received' | 'telemetry', fits: (item: any) => boolean, ms?: number): Promise<T>;
  /** The same for what comes from now on. */
  next<T>(list: 'asks' | 'beats' | 'accepted' | 'received' | 'telemetry', fits?: (item: any) => boolean, ms?: number): Promise<T>;
  report(taskId: string, kind: NonNullable<ReportRequest['body']['case']>, ms?: number): Promise<ReportRequest>;
}

export function createWorkerGateway(nats: NatsConnection): WorkerGateway {
  const seen = new EventEmitter().setMaxListeners(100);
  const queue: Assignment[] = [];
  const given = new Map<string, Assignment>();
  const state = new Map<string, { last: number; over: boolean }>();
  const requested = new Map<string, RequestedStop>();
  const keyOf = (ref: { taskId: string; attempt: number }): string => `${ref.taskId}.${ref.attempt}`;
  const lists = { asks: [] as AskRequest[], beats: [] as BeatRequest[], accepted: [] as ReportRequest[], received: [] as ReportRequest[], telemetry: [] as Telemetry[] };
  const note = (list: keyof typeof lists, item: unknown): void => {
    (lists[list] as unknown[]).push(item);
    seen.emit(list, item);
  };
  const answer = (message: Msg, data: Uint8Array): void => {
    if (gateway.answering) message.respond(data);
  };

  const gateway: WorkerGateway = {
    ...lists,
    answering: true,
    decideFirst: undefined,
    swallow: undefined,
    ignoreKinds: false,
    pin: undefined,
    offer(assignment) {
      queue.push(assignment);
      nats.publish('work.wake');
    },
    request(taskId, stop) {
      requested.set(taskId, stop);
      nats.publish('work.wake');
    },
    lose(taskId, attempt) {
      state.set(keyOf({ taskId, attempt }), { last: state.get(keyOf({ taskId, attempt }))?.last ?? 0, over: true });
      nats.publish('work.wake');
    },
    wake: () => nats.publish('work.wake'),
    until<T>(list: keyof typeof lists, fits: (item: any) => boolean, ms = 10_000) {
      const known = (lists[list] as unknown[]).find(fits);
      if (known !== undefined) return Promise.resolve(known as T);
      return new Promise<T>((resolve, reject) => {
        const timer = setTimeout(() => {
          seen.off(list, check);
          reject(new Error(`none of ${list} came in ${ms} ms`));
        }, ms);
        const check = (item: unknown): void => {
          if (!fits(item)) return;
          clearTimeout(timer);
          seen.off(list, check);
          resolve(item as T);
        };
        seen.on(list, check);
      });
    },
    next<T>(list: keyof typeof lists, fits: (item: any) => boolean = () => true, ms?: number) {
      const known = new Set(lists[list] as unknown[]);
      return gateway.until<T>(list, (item) => !known.has(item) && fits(item), ms);
    },
    report: (taskId, kind, ms) => gateway.until('accepted', (report: ReportRequest) => report.taskId === taskId && report.body.case === kind, ms),
  };

  nats.subscribe('work.ask.*', {
    callback(_error, message) {
      const ask = fromBinary(AskRequestSchema, message.data);
      if (gateway.answering && !given.has(ask.askId)) {
        const index = queue.findIndex((assignment) => gateway.ignoreKinds || ask.kinds.includes(assignment.kind));
        if (index >= 0) given.set(ask.askId, queue.splice(index, 1)[0]!);
      }
      note('asks', ask);
      const assignment = given.get(ask.askId);
      if (gateway.swallow?.(ask)) return;
      answer(message, toBinary(AskResponseSchema, create(AskResponseSchema, assignment === undefined ? {} : { assignment })));
    },
  });
  nats.subscribe('work.report.*', {
    callback(_error, message) {
      const report = fromBinary(ReportRequestSchema, message.data);
      const key = keyOf(report);
      const now = state.get(key) ?? { last: 0, over: false };
      const number = Number(report.number);
      note('received', report);
      if (!gateway.answering) return;
      let outcome = gateway.decideFirst?.(report);
      if (outcome === undefined) {
        if (number <= now.last) outcome = ReportOutcome.DUPLICATE;
        else if (now.over) outcome = ReportOutcome.REFUSED;
        else if (number > now.last + 1) outcome = ReportOutcome.GAP;
        else outcome = ReportOutcome.ACCEPTED;
      }
      if (outcome === ReportOutcome.ACCEPTED) {
        state.set(key, { last: number, over: !['phase', 'checkpoint'].includes(report.body.case!) });
        note('accepted', report);
      }
      answer(message, toBinary(ReportResponseSchema, create(ReportResponseSchema, { outcome, requested: requested.get(report.taskId) ?? RequestedStop.UNSPECIFIED })));
    },
  });
  nats.subscribe('work.beat.*', {
    callback(_error, message) {
      const beat = fromBinary(BeatRequestSchema, message.data);
      note('beats', beat);
      const verdicts = beat.running.map(({ taskId, attempt }) => ({
        taskId, attempt,
        verdict: state.get(keyOf({ taskId, attempt }))?.over ? BeatVerdict_Verdict.NOT_YOURS : BeatVerdict_Verdict.YOURS,
        requested: requested.get(taskId) ?? RequestedStop.UNSPECIFIED,
      }));
      answer(message, toBinary(BeatResponseSchema, create(BeatResponseSchema, { gatewayId: 'test', verdicts })));
    },
  });
  nats.subscribe('work.pin.*', {
    callback(_error, message) {
      const request = fromBinary(PinBaseRequestSchema, message.data);
      answer(message, toBinary(PinBaseResponseSchema, create(PinBaseResponseSchema, gateway.pin?.(request) ?? { treeDigest: request.treeDigest, baseModelDigest: request.baseModelDigest })));
    },
  });
  nats.subscribe('telemetry.>', { callback: (_error, message) => note('telemetry', fromBinary(TelemetrySchema, message.data)) });
  return gateway;
}
