import { create } from '@bufbuild/protobuf';
import { AttemptOutcome, type Event } from '../../core/gen/aiforge/v1/events_pb.ts';
import { TaskKind, TaskResultSchema, TaskSpecSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import { decodeEnvelope, encodeEnvelope, sha256Hex } from '../../core/store/envelope.ts';
import type { StoredEnvelope } from '../../core/store/event-store.ts';
import { event } from '../../core/task/events.ts';

/** One envelope of a history that is made up: its events, and what is wrong with it. */
export interface Forged {
  events: Event[];
  id?: string;
  commandId?: string;
  previousSha256?: string;
}

const spec = create(TaskSpecSchema, { kind: { case: 'train', value: {} } });
const result = create(TaskResultSchema, { kind: { case: 'train', value: { adapterDigest: 'a'.repeat(64), steps: 12n, epochs: 1, finalLoss: 3.5 } } });
export const queued = event('taskQueued', { kind: TaskKind.TRAIN, project: 'toy', spec, after: '', maxAttempts: 5 });
export const started = (attempt: number): Event => event('attemptStarted', { attempt, workerId: 'w', bootId: 'b', slot: 's', askId: `a${attempt}` });
export const report = (attempt: number, number: number): Event => event('reportAccepted', { attempt, number: BigInt(number) });
export const ended = (attempt: number, outcome: AttemptOutcome = AttemptOutcome.COMPLETED): Event => event('attemptEnded', { attempt, outcome });
export const completed = event('taskCompleted', { result });

/** A job that was lost once and then completed. */
export const good = (): Forged[] => [
  { events: [queued] },
  { events: [started(1)] },
  { events: [report(1, 1), event('phaseEntered', { attempt: 1, phase: 'training' })] },
  { events: [ended(1, AttemptOutcome.LOST)] },
  { events: [started(2)] },
  { events: [report(2, 1), event('phaseEntered', { attempt: 2, phase: 'training' })] },
  { events: [report(2, 2), ended(2), completed] },
];

export function write(forged: readonly Forged[]): StoredEnvelope[] {
  const heads = new Map<string, string>();
  return forged.map(({ events, id = 'job_1', commandId, previousSha256 }, index) => {
    const meta = { commandId: commandId ?? `c${index}`, actor: 'test', time: Date.UTC(2024, 0, 17, 12) + index * 1_000 };
    const bytes = encodeEnvelope('task', id, meta, previousSha256 ?? heads.get(id) ?? '', events);
    heads.set(id, sha256Hex(bytes));
    return { sequence: index + 1, aggregate: 'task', id, bytes, envelope: decodeEnvelope(bytes) };
  });
}
