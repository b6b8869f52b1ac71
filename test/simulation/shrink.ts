import type { Schedule } from './schedule.ts';

/**
 * Leaves out faults, then jobs, then makes what is left simpler, as long as a run still fails.
 * @param fails whether this schedule still does
 */
export async function shrink(schedule: Schedule, fails: (schedule: Schedule) => Promise<boolean>): Promise<Schedule> {
  let smallest = schedule;
  for (let smaller = true; smaller; ) {
    smaller = false;
    for (const candidate of simpler(smallest)) {
      if (!(await fails(candidate))) continue;
      smallest = candidate;
      smaller = true;
      break;
    }
  }
  return smallest;
}

/** Each with one thing less, the largest steps first. */
function* simpler(schedule: Schedule): IterableIterator<Schedule> {
  const { jobs, faults } = schedule;
  if (faults.length > 2) {
    const half = faults.length >> 1;
    yield { ...schedule, faults: faults.slice(0, half) };
    yield { ...schedule, faults: faults.slice(half) };
  }
  for (let index = 0; index < faults.length; index++) yield { ...schedule, faults: faults.toSpliced(index, 1) };
  if (jobs.length > 1) for (let index = 0; index < jobs.length; index++) yield { ...schedule, jobs: jobs.toSpliced(index, 1) };
  for (const [index, job] of jobs.entries()) {
    if (job.user !== 'watches') yield { ...schedule, jobs: jobs.with(index, { ...job, user: 'watches' }) };
    if (job.extract) yield { ...schedule, jobs: jobs.with(index, { ...job, extract: false }) };
    if (job.failures > 0) yield { ...schedule, jobs: jobs.with(index, { ...job, failures: 0 }) };
    if (job.steps > 2) yield { ...schedule, jobs: jobs.with(index, { ...job, steps: 2 }) };
  }
}
