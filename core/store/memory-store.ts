import { on, EventEmitter } from 'node:events';
import { decodeEnvelope } from './envelope.ts';
import { VersionConflict, type EventStore, type StoredEnvelope } from './event-store.ts';
import { subjectOf } from './subject.ts';

/** The store's contract without a server, for tests of what stands on it. */
export function createMemoryStore(): EventStore {
  const log: StoredEnvelope[] = [];
  const versions = new Map<string, number>();
  const changes = new EventEmitter().setMaxListeners(0);
  return {
    async append(aggregate, id, bytes, expectedVersion) {
      const subject = subjectOf(aggregate, id);
      if ((versions.get(subject) ?? 0) !== expectedVersion) throw new VersionConflict(subject, expectedVersion);
      const sequence = log.length + 1;
      log.push({ sequence, aggregate, id, bytes, envelope: decodeEnvelope(bytes) });
      versions.set(subject, sequence);
      changes.emit('appended');
      return sequence;
    },
    async *readAggregate(aggregate, id, afterVersion) {
      for (const stored of [...log]) {
        if (stored.sequence > afterVersion && stored.aggregate === aggregate && stored.id === id) yield stored;
      }
    },
    async *subscribe(afterSequence, signal) {
      if (signal.aborted) return;
      const waiting = on(changes, 'appended', { signal });
      let next = afterSequence;
      try {
        for (;;) {
          while (next < log.length) yield log[next++]!;
          await waiting.next();
        }
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    },
    async lastSequence() {
      return log.length;
    },
  };
}
