/**
 * A fault campaign on real processes: `npm run chaos -- --seed N --minutes M [--cluster] [--plan] [--break RULE]`. Two gateways, a guardian
 * and three agents work through hundreds of jobs while they are killed, stopped, cut off and confused; then the stream and what users
 * were told are checked. Ends with status 1 where a promise was broken. `--plan` only shows what would be done. Linux only.
 */
import { existsSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { breakableRules, type BreakableRule } from '../support/broken-rules.ts';
import { wholeNumber } from '../support/whole-number.ts';
import { runCampaign } from './campaign.ts';
import { describePlan, planOf } from './plan.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    minutes: { type: 'string', default: '1' },
    cluster: { type: 'boolean', default: false },
    plan: { type: 'boolean', default: false },
    break: { type: 'string' },
  },
});
const seed = wholeNumber('--seed', values.seed, 0, 2 ** 31);
const minutes = Number(values.minutes);
if (!(minutes > 0 && minutes <= 24 * 60)) throw new Error(`--minutes: must be a number above 0 and at most 1440, not "${values.minutes}"`);
const broken = breakableRules.find((rule) => rule === values.break) as BreakableRule | undefined;
if (values.break !== undefined && broken === undefined) throw new Error(`--break: must be one of ${breakableRules.join(', ')}, not "${values.break}"`);

const plan = planOf(seed, minutes, values.cluster);
console.log(describePlan(plan));
if (!values.plan) {
  const python = join(import.meta.dirname, '../../.venv/bin/python');
  if (plan.jobs.some((job) => job.trainer === 'real') && !existsSync(python)) throw new Error(`${python} is missing: run npm run chaos, which sets it up`);
  const ends: (() => unknown)[] = [];
  const teardown = (end: () => unknown): void => void ends.push(end);
  const cleanUp = async (): Promise<void> => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  const endWith = (status: number): void => void cleanUp().finally(() => process.exit(status));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => endWith(130));
  process.once('unhandledRejection', (error) => {
    console.error(error);
    endWith(1);
  });
  try {
    const { problems, figures, logs } = await runCampaign({ teardown }, plan, { cluster: values.cluster, broken, say: (line) => console.log(line) });
    console.log(['', `seed ${seed}, ${cpus().length} cores`, ...figures].join('\n'));
    if (problems.length > 0) {
      console.log(`\n${logs}\n\n${problems.length} problems:\n  ${problems.join('\n  ')}`);
      process.exitCode = 1;
    } else console.log('every promise held');
  } finally {
    await cleanUp();
  }
}
