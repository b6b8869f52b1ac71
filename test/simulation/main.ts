/**
 * Many seeded schedules of faults, without processes: `npm run simulate -- --seed N --schedules M`. Ends with status 1 where a
 * promise was broken; the schedule is made as small as it still fails, and what repeats it is printed.
 * `--small '<json>'` runs one schedule as it was printed; `--break RULE` takes a rule away first, to see that it is noticed.
 */
import { parseArgs } from 'node:util';
import { wholeNumber } from '../support/whole-number.ts';
import { breakRule, breakableRules, tornChain, type BreakableRule } from '../support/broken-rules.ts';
import { check } from './check.ts';
import { describeFault, describeJob, scheduleOf, type Schedule } from './schedule.ts';
import { shrink } from './shrink.ts';
import { simulate, type Outcome } from './world.ts';

const { values } = parseArgs({ options: { seed: { type: 'string', default: '1' }, schedules: { type: 'string', default: '1000' }, break: { type: 'string' }, small: { type: 'string' }, verbose: { type: 'boolean', default: false } } });
const first = wholeNumber('--seed', values.seed, 0, 2 ** 31);
const count = wholeNumber('--schedules', values.schedules, 1, 10_000_000);
const broken = values.break;
if (broken !== undefined && !breakableRules.some((rule) => rule === broken)) throw new Error(`--break: must be one of ${breakableRules.join(', ')}, not "${broken}"`);
if (broken !== undefined) breakRule(broken as BreakableRule);

async function run(schedule: Schedule): Promise<Outcome> {
  const outcome = await simulate(schedule);
  return broken === 'chain' ? { ...outcome, history: tornChain(outcome.history) } : outcome;
}

const schedules = values.small === undefined ? Array.from({ length: count }, (_, index) => first + index) : [JSON.parse(values.small) as Schedule];
// What is refused is part of the game here, a million times over; where from is of no interest.
Error.stackTraceLimit = 0;
const total = { events: 0, steps: 0, attempts: 0, lost: 0, faults: 0 };
const startedAt = performance.now();
let done = 0;
for (const one of schedules) {
  const schedule = typeof one === 'number' ? scheduleOf(one) : one;
  const outcome = await run(schedule);
  const problems = check(outcome);
  done += 1;
  total.events += outcome.history.length;
  total.steps += outcome.steps;
  total.faults += schedule.faults.length;
  for (const { envelope } of outcome.history) {
    for (const { kind } of envelope.events) {
      if (kind.case === 'attemptStarted') total.attempts += 1;
      if (kind.case === 'attemptEnded' && kind.value.code === 'worker_lost') total.lost += 1;
    }
  }
  if (values.verbose) tell(outcome);
  if (problems.length > 0) {
    await explain(schedule, problems);
    process.exitCode = 1;
    break;
  }
  if (done % 10_000 === 0) console.log(`${done} schedules, ${seconds()} s`);
}
console.log(`${done} schedules from seed ${first}: ${total.faults} faults, ${total.steps} steps, ${total.events} envelopes, ${total.attempts} attempts of which ${total.lost} were lost; ${seconds()} s; ${process.exitCode === 1 ? 'a promise was broken' : 'every promise held'}`);

function seconds(): string {
  return ((performance.now() - startedAt) / 1_000).toFixed(1);
}

async function explain(schedule: Schedule, problems: readonly string[]): Promise<void> {
  console.log(`\nseed ${schedule.seed}: ${schedule.jobs.length} jobs, ${schedule.faults.length} faults\n  ${problems.join('\n  ')}`);
  const smallest = await shrink(schedule, async (candidate) => check(await run(candidate)).length > 0);
  const outcome = await run(smallest);
  console.log(`\nAs small as it still fails:\n  ${[...smallest.jobs.map(describeJob), ...smallest.faults.map(describeFault)].join('\n  ')}\n  ${check(outcome).join('\n  ')}`);
  tell(outcome);
  console.log(`\nAgain: npm run simulate -- --seed ${schedule.seed} --schedules 1${broken === undefined ? '' : ` --break ${broken}`}\nSmall: npm run simulate -- --small '${JSON.stringify(smallest)}'${broken === undefined ? '' : ` --break ${broken}`}`);
}

function tell({ history, told, lasted }: Outcome): void {
  for (const { sequence, id, envelope } of history) console.log(`  ${sequence} ${id} ${envelope.actor}: ${envelope.events.map(({ kind }) => kind.case + ('attempt' in (kind.value ?? {}) ? ` ${(kind.value as { attempt: number }).attempt}` : '')).join(', ')}`);
  console.log(`  ${lasted.toFixed(0)} simulated ms; told: ${told.ends.map(({ jobId, status }) => `${jobId} ${status}`).join(', ')}`);
}
