import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { faultPoint } from '../fault.ts';
import { AskRequestSchema, AskResponseSchema, type Assignment, type AskResponse, type Slot } from '../gen/aiforge/v1/worker_pb.ts';
import type { Logger } from '../logger.ts';
import { hashSecret, newSecret } from './attempt-token.ts';
import { backOffMs, NoAnswer, type Link } from './link.ts';

/** A gateway may wait for its projection before it answers. A broken connection ends the wait sooner. */
const answerMs = 5_000;
/** Only a safety net for a wake-up that got lost. */
const pollMs = 15_000;
/** Shortest time between two asks that find nothing: a flood of wake-ups is no flood of asks. */
const spacingMs = 20;
/** How long a drain waits for the answer to an ask that is under way. */
const lastAnswerMs = 1_000;

export interface AskOptions {
  link: Link;
  bootId: string;
  slot: Slot;
  /** The host's. */
  labels: Record<string, string>;
  /** Aborts when no new work is wanted. */
  draining: AbortSignal;
  /**
   * Runs the attempt to its end.
   * @param secret whose hash the ask brought
   * @param sentAt when the ask that was answered was sent (`performance.now()`)
   */
  run(assignment: Assignment, secret: string, sentAt: number): Promise<void>;
  logger: Logger;
}

/** Asks for one slot, runs what it is given, and asks again, until drained. */
export async function askLoop(options: AskOptions): Promise<void> {
  const { link, draining } = options;
  while (!draining.aborted && !link.stopped.aborted) {
    const seen = link.nudges;
    const answer = await askUntilAnswered(options);
    if (answer?.assignment !== undefined) await options.run(answer.assignment, answer.secret, answer.sentAt);
    else await untilWorthAsking(link, seen, answer?.sentAt ?? 0, draining);
  }
}

async function untilWorthAsking(link: Link, seen: number, askedAt: number, draining: AbortSignal): Promise<void> {
  // A wake-up during the ask may be about what the answer did not see yet.
  if (link.nudges === seen) await link.nudged(pollMs, draining);
  const wait = askedAt + spacingMs - performance.now();
  if (wait > 0 && !draining.aborted) await setTimeout(wait);
}

/** Repeats one ask under one id, so that an answer that got lost is not a second attempt. */
async function askUntilAnswered(options: AskOptions): Promise<{ assignment: Assignment | undefined; secret: string; sentAt: number } | undefined> {
  const { link, bootId, slot, labels, draining } = options;
  const secret = newSecret();
  const request = toBinary(AskRequestSchema, create(AskRequestSchema, { bootId, slot: slot.name, askId: randomUUID(), kinds: slot.kinds, labels, secretSha256: hashSecret(secret) }));
  const giveUp = new AbortController();
  let late: NodeJS.Timeout | undefined;
  const onDrain = (): void => {
    late = globalThis.setTimeout(() => giveUp.abort(), link.connected ? lastAnswerMs : 0);
  };
  draining.addEventListener('abort', onDrain, { once: true });
  try {
    let tries = 0;
    while (!giveUp.signal.aborted && !link.stopped.aborted) {
      const { renewals } = link;
      const sentAt = performance.now();
      const answer = await askOnce(options, request, giveUp.signal);
      if (answer !== undefined) return { assignment: answer.assignment, secret, sentAt };
      // The gateway that was asked may have started an attempt and died: until it is asked again, nobody runs that.
      if (link.renewals !== renewals) tries = 0;
      else await link.nudged(backOffMs(tries++), giveUp.signal);
    }
    return undefined;
  } finally {
    clearTimeout(late);
    draining.removeEventListener('abort', onDrain);
  }
}

async function askOnce({ link, logger }: AskOptions, request: Uint8Array, giveUp: AbortSignal): Promise<AskResponse | undefined> {
  try {
    faultPoint('agent.ask.before');
    const data = await link.request(`work.ask.${link.workerId}`, request, answerMs, giveUp);
    faultPoint('agent.ask.after');
    return fromBinary(AskResponseSchema, data);
  } catch (error) {
    if (!(error instanceof NoAnswer)) logger.warn('an answer to an ask could not be read', { error });
    return undefined;
  }
}
