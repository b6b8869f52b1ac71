import { randomNumbers } from '../../core/random-numbers.ts';

export const gatewayNames = ['gateway-1', 'gateway-2'] as const;
export const agentNames = ['agent-1', 'agent-2', 'agent-3'] as const;
/** Its data lie on a small file system of their own, where that can be had. */
export const smallDiskAgent = 'agent-3';

export interface PlannedJob {
  /** Milliseconds from the start. */
  at: number;
  trainer: 'scripted' | 'real';
  steps: number;
  user: 'watches' | 'pauses' | 'cancels' | 'submits twice' | 'validates';
  /** After the submission. */
  userAfterMs: number;
}

export type PlannedFault = { at: number; forMs: number; target: string } & (
  | { kind: 'kill' | 'stop' | 'cut' | 'silent' | 'reset' | 'slow' | 'twice' | 'disk' }
  | { kind: 'clock'; aheadMs: number }
);

export interface ChaosPlan {
  seed: number;
  jobs: PlannedJob[];
  faults: PlannedFault[];
}

/** After the last job the faults go on for as long as it takes it to be under way. */
const jobsPerMinute = 16;
const realPerMinute = 1.4;
const msPerFault = 4_000;
/** Half of what lasts does so for longer than it takes to lose an attempt, which is 6 s here. */
const shortMs: readonly [number, number] = [300, 3_000];
const longMs: readonly [number, number] = [7_000, 14_000];

/** What is done in a run, as the seed has it. Pure. @param cluster three NATS servers, of which one is killed at a time */
export function planOf(seed: number, minutes: number, cluster: boolean): ChaosPlan {
  const next = randomNumbers(seed);
  const number = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1));
  const pick = <T>(list: readonly T[]): T => list[number(0, list.length - 1)]!;
  const lengthMs = Math.round(minutes * 60_000);
  const count = Math.max(6, Math.round(minutes * jobsPerMinute));
  const real = Math.floor(minutes * realPerMinute);
  const jobs = Array.from({ length: count + real }, (_, index): PlannedJob => {
    const trainer = index < real ? 'real' : 'scripted';
    return {
      // The long ones come early enough to be done.
      at: Math.round(lengthMs * (trainer === 'real' ? 0.7 * (index / Math.max(1, real)) : 0.9 * next())),
      trainer,
      steps: trainer === 'real' ? 6 : pick([40, 120, 400, 800]),
      // Of the real ones each is to be trained to its end.
      user: trainer === 'real' ? pick(['watches', 'pauses', 'validates']) : pick(['watches', 'watches', 'pauses', 'cancels', 'submits twice', 'validates']),
      userAfterMs: number(0, trainer === 'real' ? 20_000 : 4_000),
    };
  });
  const lasting = (): number => (next() < 0.5 ? number(...longMs) : number(...shortMs));
  const nats = cluster ? ['nats-1', 'nats-2', 'nats-3'] : ['nats-1'];
  const faultCount = Math.max(6, Math.floor(lengthMs / msPerFault));
  const faults = Array.from({ length: faultCount }, (_, index): PlannedFault => {
    const at = Math.round((lengthMs * (index + next())) / faultCount);
    const kind = pick(['kill', 'kill', 'stop', 'cut', 'silent', 'reset', 'slow', 'twice', 'disk', 'clock', 'nats'] as const);
    if (kind === 'nats') return { kind: 'kill', at, target: pick(nats), forMs: number(0, 3_000) };
    if (kind === 'disk') return { kind, at, target: smallDiskAgent, forMs: number(2_000, 8_000) };
    if (kind === 'clock') return { kind, at, target: pick([...gatewayNames, 'guardian', ...agentNames]), forMs: number(2_000, 12_000), aheadMs: pick([-1, 1]) * number(1_000, 7_200_000) };
    if (kind === 'cut') return { kind, at, target: pick(agentNames), forMs: lasting() };
    if (kind === 'kill' || kind === 'stop') return { kind, at, target: pick([...gatewayNames, 'guardian', ...agentNames, ...agentNames]), forMs: kind === 'kill' ? 0 : lasting() };
    return { kind, at, target: pick(kind === 'slow' || kind === 'twice' ? agentNames : [...gatewayNames, ...agentNames, ...agentNames]), forMs: lasting() };
  });
  return { seed, jobs: jobs.sort((a, b) => a.at - b.at), faults };
}

export function describePlan({ seed, jobs, faults }: ChaosPlan): string {
  const of = (trainer: string): number => jobs.filter((job) => job.trainer === trainer).length;
  return [
    `seed ${seed}: ${of('scripted')} jobs on the scripted trainer, ${of('real')} on the real one, ${faults.length} faults`,
    ...faults.map((fault) => `  ${(fault.at / 1_000).toFixed(1)} s: ${fault.kind} ${fault.target}${fault.forMs > 0 ? ` for ${(fault.forMs / 1_000).toFixed(1)} s` : ''}${fault.kind === 'clock' ? `, ${Math.round(fault.aheadMs / 1_000)} s ahead` : ''}`),
  ].join('\n');
}
