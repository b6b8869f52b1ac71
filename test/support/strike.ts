import type { Test } from 'tap';
import type { FaultRun } from './fault-run.ts';
import { watchMoments } from './moments.ts';
import { randomIntegers } from './seed.ts';
import type { TrainerDeath } from './stack.ts';

export type Strike =
  | { target: 'gateway' | 'agent' | 'guardian' | 'nats-server'; moment: number }
  | { target: 'trainer'; death: TrainerDeath };

/** Every job has more moments than this, whatever else dies meanwhile. */
const lastMoment = 28;
const points = ['loading', 'step', 'saving', 'saved', 'told', 'result', 'end'] as const;

/** A random moment for one of the four, or for the guardian. */
export function randomStrike(random: ReturnType<typeof randomIntegers>, target = (['gateway', 'agent', 'guardian', 'nats-server', 'trainer'] as const)[random(0, 4)]!): Strike {
  if (target !== 'trainer') return { target, moment: random(1, lastMoment) };
  const point = points[random(0, points.length - 1)]!;
  const checkpoint = 3 * random(1, 4);
  const step = { loading: 0, step: random(1, 12), saving: checkpoint, saved: checkpoint, told: checkpoint, result: 12, end: 12 }[point];
  return { target, death: { point, step } };
}

export function describeStrike(strike: Strike): string {
  return strike.target === 'trainer' ? `trainer at ${strike.death.point} ${strike.death.step}` : `${strike.target} at moment ${strike.moment}`;
}

/** Runs one job during which all of these are killed with SIGKILL, and checks that every strike was made. @returns the job's id */
export async function jobUnder(t: Test, run: FaultRun, strikes: readonly Strike[]): Promise<string> {
  const { stack } = run;
  const moments = await watchMoments(stack.connection);
  const struck: Promise<void>[] = [];
  let expected = 0;
  for (const strike of strikes) {
    if (strike.target === 'trainer') {
      await stack.trainerDies(strike.death);
      continue;
    }
    const act = { gateway: stack.gateway.kill, agent: stack.agent.kill, guardian: stack.guardian.kill, 'nats-server': stack.nats.restart }[strike.target];
    expected += 1;
    moments.at(strike.moment, () => struck.push(act()));
  }
  const jobId = await run.job();
  await Promise.all(struck);
  moments.stop();
  const name = strikes.map(describeStrike).join(', ');
  if (struck.length !== expected) t.fail(`${name}: only ${struck.length} of ${expected} moments came`);
  if (strikes.some((strike) => strike.target === 'trainer') && !(await stack.trainerDied())) t.fail(`${name}: no trainer came to where it should die`);
  return jobId;
}
