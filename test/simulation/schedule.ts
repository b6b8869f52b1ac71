import { randomNumbers } from '../../core/random-numbers.ts';

export const gateways = ['gateway-1', 'gateway-2'] as const;
export const agents = ['agent-1', 'agent-2', 'agent-3'] as const;

/** A job that a client wants, and what it does with it meanwhile. Times are simulated milliseconds. */
export interface JobPlan {
  at: number;
  steps: number;
  /** Whether its data set is made by a task of its own first. */
  extract: boolean;
  /** How many of its first attempts fail by themselves; from 5 on the job does. */
  failures: number;
  /** Whether another attempt could do better, as the trainer says when it fails. */
  retryable: boolean;
  user: 'watches' | 'pauses' | 'cancels' | 'retries' | 'submits twice';
  /** After its submission. */
  userAfterMs: number;
}

export const faultKinds = ['crash', 'stall', 'cut', 'lossy', 'slow', 'twice', 'clock', 'outage', 'gone'] as const;

export interface Fault {
  kind: (typeof faultKinds)[number];
  /** A process; of an outage, NATS. */
  target: string;
  at: number;
  forMs: number;
  /** Of a clock: how far ahead, in milliseconds. */
  amount: number;
}

/** Everything that happens in a run beside chance on the network, which has the same seed. */
export interface Schedule {
  seed: number;
  jobs: JobPlan[];
  faults: Fault[];
}

const faultsWithinMs = 8_000;
/** Longer than it takes to lose an attempt. */
const longMs: readonly [number, number] = [4_500, 9_000];
const shortMs: readonly [number, number] = [200, 3_000];
/** Nothing that goes away for good takes the last agent along. */
const mayGo = agents.slice(0, -1);

/** The schedule of a seed. Pure. */
export function scheduleOf(seed: number): Schedule {
  const next = randomNumbers(seed);
  const number = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1));
  const pick = <T>(list: readonly T[]): T => list[number(0, list.length - 1)]!;
  const jobs = Array.from({ length: number(1, 3) }, (): JobPlan => ({
    at: number(0, 4_000),
    steps: number(2, 6),
    extract: next() < 0.3,
    failures: next() < 0.75 ? 0 : pick([1, 2, 9]),
    retryable: next() < 0.8,
    user: pick(['watches', 'watches', 'pauses', 'cancels', 'retries', 'submits twice']),
    userAfterMs: number(0, 4_000),
  }));
  const faults = Array.from({ length: number(1, 6) }, (): Fault => {
    const kind = pick(faultKinds);
    return {
      kind,
      target: kind === 'outage' ? 'nats' : kind === 'gone' ? pick(mayGo) : pick([...gateways, ...agents, ...agents]),
      at: number(0, faultsWithinMs),
      forMs: next() < 0.5 ? number(...longMs) : number(...shortMs),
      amount: kind === 'clock' ? pick([-1, 1]) * number(1_000, 7_200_000) : 0,
    };
  });
  return { seed, jobs, faults };
}

export function describeFault({ kind, target, at, forMs, amount }: Fault): string {
  return `${kind} ${target} at ${at} ms${kind === 'gone' ? '' : ` for ${forMs} ms`}${amount === 0 ? '' : ` by ${amount} ms`}`;
}

export function describeJob({ at, steps, extract, failures, retryable, user, userAfterMs }: JobPlan): string {
  return `job at ${at} ms: ${steps} steps${extract ? ' after an extraction' : ''}${failures > 0 ? `, ${failures} failures${retryable ? '' : ' for good'}` : ''}; its client ${user}${user === 'watches' ? '' : ` after ${userAfterMs} ms`}`;
}
