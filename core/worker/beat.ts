import { randomUUID } from 'node:crypto';
import { create, fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { BeatRequestSchema, BeatResponseSchema, type BeatVerdict, type HostReadingSchema, type RunningSchema, type WorkerInfoSchema } from '../gen/aiforge/v1/worker_pb.ts';
import type { Logger } from '../logger.ts';
import type { Link } from './link.ts';

/** Shortest time between two beats. */
const spacingMs = 20;

export interface BeatOptions {
  link: Link;
  bootId: string;
  info: MessageInitShape<typeof WorkerInfoSchema>;
  beatMs: number;
  running(): MessageInitShape<typeof RunningSchema>[];
  /** What was measured last; undefined for nothing. */
  reading(): MessageInitShape<typeof HostReadingSchema> | undefined;
  draining(): boolean;
  /** One gateway's word on one attempt. @param sentAt when the answered beat was sent (`performance.now()`) */
  onVerdict(verdict: BeatVerdict, sentAt: number): void;
  logger: Logger;
}

/**
 * Tells every gateway each `beatMs`, and at once after a wake-up (a stop may be meant), what this worker runs. Each
 * gateway answers for itself, when it can: a late answer counts too, from the time its beat was sent.
 */
export function startBeat(options: BeatOptions): { beat(): void; stop(): void } {
  const { link, bootId, logger } = options;
  const inbox = `_INBOX.${link.workerId}.beat.${randomUUID()}`;
  const sentAt = new Map<string, number>();
  let count = 0;
  let beatAt = -Infinity;
  let soon: NodeJS.Timeout | undefined;

  const beat = (): void => {
    if (!link.connected) return;
    const reply = `${inbox}.${++count}`;
    beatAt = performance.now();
    sentAt.set(reply, beatAt);
    // Answers that come after so many beats are past any fence.
    if (sentAt.size > 100) sentAt.delete(sentAt.keys().next().value!);
    const request = create(BeatRequestSchema, { bootId, info: options.info, running: options.running(), draining: options.draining(), reading: options.reading() });
    link.nats.publish(`work.beat.${link.workerId}`, toBinary(BeatRequestSchema, request), { reply });
  };

  const subscription = link.nats.subscribe(`${inbox}.*`, {
    callback(error, message) {
      const sent = error === null ? sentAt.get(message.subject) : undefined;
      // An empty answer is the server's word that no gateway listens.
      if (sent === undefined || message.data.length === 0) return;
      try {
        for (const verdict of fromBinary(BeatResponseSchema, message.data).verdicts) options.onVerdict(verdict, sent);
      } catch (cause) {
        logger.warn('an answer to a beat could not be read', { error: cause });
      }
    },
  });
  const timer = setInterval(beat, options.beatMs);
  const stopListening = link.onNudge(() => {
    // Thousands of wake-ups a second, as a flood of submissions makes them, are tens of beats.
    soon ??= setTimeout(() => {
      soon = undefined;
      beat();
    }, Math.max(0, beatAt + spacingMs - performance.now()));
  });
  beat();

  return {
    beat,
    stop() {
      clearInterval(timer);
      clearTimeout(soon);
      stopListening();
      subscription.unsubscribe();
    },
  };
}
