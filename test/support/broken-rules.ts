import { create, toBinary } from '@bufbuild/protobuf';
import { reservationAggregate } from '../../core/idempotency/reservation.ts';
import { EnvelopeSchema, EventSchema, type Event } from '../../core/gen/aiforge/v1/events_pb.ts';
import type { StoredEnvelope } from '../../core/store/event-store.ts';
import { event } from '../../core/task/events.ts';
import { taskAggregate } from '../../core/task/task.ts';
import type { Task } from '../../core/task/state.ts';
import { LossClock } from '../../gateway/workers/loss-clock.ts';

/**
 * Rules that a test takes away from the services in its own process, to see that the checks notice. Nothing outside of test/ can
 * do that: no setting, no switch.
 */
export const breakableRules = ['fence', 'loss', 'chain', 'outcome', 'idempotency'] as const;
export type BreakableRule = (typeof breakableRules)[number];

/** Takes a rule out of this process. `chain` is no process's: see `tornChain`. @returns how to put it back */
export function breakRule(rule: BreakableRule): () => void {
  switch (rule) {
    case 'fence':
      return replace(taskAggregate, 'decide', (decide) => (command, state) => {
        if (command.type !== 'report' || state.status === 'none') return decide(command, state);
        const { attempt, number } = command.report;
        const known = state.status === 'running' && state.attempt.number === attempt;
        // Whoever reports is heard, also when the attempt is over or another one's.
        if (known || attempt > state.ended.length) return decide(command, state);
        return [event('reportAccepted', { attempt, number })];
      });
    case 'loss':
      return replace(LossClock.prototype, 'ownBeat', () => () => []);
    case 'chain':
      return () => {};
    case 'outcome':
      return replace(taskAggregate, 'decide', (decide) => (command, state) => {
        if (command.type === 'lose' && isOver(state)) return [event('taskFailed', { code: 'worker_lost', reason: command.reason })];
        if (command.type === 'report' && isOver(state) && command.report.body.case === 'completed') return [event('taskCompleted', { result: command.report.body.value.result })];
        return decide(command, state);
      });
    case 'idempotency':
      return replace(reservationAggregate, 'decide', (decide) => (command, state) =>
        command.type === 'reserve' && state.status === 'reserved'
          ? [create(EventSchema, { kind: { case: 'keyReserved', value: { bodySha256: Buffer.from(command.bodySha256, 'hex'), jobId: `${command.jobId}_again` } } }) satisfies Event]
          : decide(command, state));
  }
}

/** A history in which one envelope's bytes were changed where they lie: what comes after it in its aggregate names the hash of the true ones. */
export function tornChain(history: readonly StoredEnvelope[]): StoredEnvelope[] {
  const torn = history.findIndex(({ envelope }) => envelope.events.some(({ kind }) => kind.case === 'attemptStarted'));
  return history.map((stored, index) => {
    if (index !== torn) return stored;
    const envelope = create(EnvelopeSchema, { ...stored.envelope, actor: 'somebody' });
    return { ...stored, envelope, bytes: toBinary(EnvelopeSchema, envelope) };
  });
}

const isOver = (state: { status: string }): state is Task => ['completed', 'failed', 'cancelled'].includes(state.status);

function replace<O extends object, K extends keyof O>(owner: O, name: K, wrap: (own: O[K]) => O[K]): () => void {
  const own = owner[name];
  owner[name] = wrap(own);
  return () => {
    owner[name] = own;
  };
}
