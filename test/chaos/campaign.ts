import { setTimeout } from 'node:timers/promises';
import type { Test } from 'tap';
import { randomNumbers } from '../../core/random-numbers.ts';
import { tornChain, type BreakableRule } from '../support/broken-rules.ts';
import { checkCampaign, eventsOfNamed, summarize } from './check.ts';
import { startFleet } from './fleet.ts';
import type { ChaosPlan, PlannedFault } from './plan.ts';
import { strike } from './strikes.ts';
import { createUsers } from './users.ts';

export interface CampaignResult {
  problems: string[];
  /** Lines of figures. */
  figures: string[];
  /** What the services wrote last, and the events of the tasks that problems name. */
  logs: string;
}

/** Runs a plan on a fleet of real processes until every job has ended, and checks what it came to. All of it is gone with the test. */
export async function runCampaign(t: Pick<Test, 'teardown'>, plan: ChaosPlan, options: { cluster: boolean; broken?: BreakableRule | undefined; say?: (line: string) => void }): Promise<CampaignResult> {
  const { cluster, broken, say = () => {} } = options;
  const fleet = await startFleet(t, { seed: plan.seed, cluster, broken });
  const missing = [fleet.smallDisk, fleet.noNamespaces].filter((why) => typeof why === 'string');
  for (const why of missing) say(`some faults are left out: ${why}`);
  const users = createUsers(fleet, randomNumbers(plan.seed ^ 0xa11));
  const startedAt = performance.now();
  const due = (at: number): Promise<void> => setTimeout(Math.max(0, startedAt + at - performance.now()));

  const made: Record<string, number> = {};
  const leftOut: Record<string, number> = {};
  /** Of a cluster one server is away at a time. */
  let servers = Promise.resolve();
  const oneFault = async (fault: PlannedFault): Promise<void> => {
    await due(fault.at);
    const isServer = fleet.servers.has(fault.target);
    const act = async (): Promise<void> => {
      const name = isServer ? 'NATS restart' : fault.kind;
      const counts = (await strike(fleet, fault)) ? made : leftOut;
      counts[name] = (counts[name] ?? 0) + 1;
    };
    if (isServer) await (servers = servers.then(act));
    else await act();
  };
  const jobs = new Map(plan.jobs.map((job, index) => [`key-${index + 1}`, job]));
  const failures: string[] = [];
  let ended = 0;
  const oneJob = async (key: string): Promise<void> => {
    const job = jobs.get(key)!;
    await due(job.at);
    try {
      await users.run(key, job);
      ended += 1;
    } catch (error) {
      failures.push(`the user of ${key} gave up: ${(error as Error).message.split('\n')[0]}`);
    }
  };
  const telling = setInterval(() => say(`${Math.round((performance.now() - startedAt) / 1_000)} s: ${ended} of ${jobs.size} jobs have ended, ${Object.values(made).reduce((sum, count) => sum + count, 0)} of ${plan.faults.length} faults are made`), 30_000);
  try {
    await Promise.all([...plan.faults.map(oneFault), ...[...jobs.keys()].map(oneJob)]);
  } finally {
    clearInterval(telling);
  }

  const lists = await Promise.all(fleet.urls.map(listAll));
  const stored = await fleet.history();
  const history = broken === 'chain' ? tornChain(stored) : stored;
  const problems = [...failures, ...(await checkCampaign({ history, users, jobs, lists, blobs: fleet.blobs }))];
  const byEnd = (trainer: string): string => {
    const counts: Record<string, number> = {};
    for (const [key, job] of jobs) {
      if (job.trainer !== trainer) continue;
      const end = users.told.ends.find(({ jobId }) => jobId === users.told.acknowledged.get(key))?.status ?? 'none';
      counts[end] = (counts[end] ?? 0) + 1;
    }
    return list(counts) || 'none';
  };
  const disturbed = [...fleet.members.values()].reduce((sum, { relay }) => sum + relay.disturbed, 0);
  const figures = [
    `${((performance.now() - startedAt) / 60_000).toFixed(1)} minutes, ${cluster ? 'three NATS servers' : 'one NATS server'}`,
    `jobs on the scripted trainer: ${byEnd('scripted')}; on the real one: ${byEnd('real')}`,
    `faults made: ${list(made)}${Object.keys(leftOut).length === 0 ? '' : `; left out: ${list(leftOut)} (${missing.join('; ')})`}; ${disturbed} requests were held back or sent twice`,
    `orders: ${Object.entries(users.orders).map(([name, { done, late }]) => `${name} ${done} (${late} too late)`).join(', ') || 'none'}`,
    summarize(history),
  ];
  return { problems, figures, logs: [fleet.logs(), ...eventsOfNamed(history, problems)].join('\n') };
}

function list(counts: Record<string, number>): string {
  return Object.entries(counts).map(([name, count]) => `${count} ${name}`).join(', ');
}

/** All pages of `GET /v1/fine-tune`. A gateway may still be coming back from the last fault. */
async function listAll(url: string): Promise<{ job_id: string; status: string }[]> {
  const jobs: { job_id: string; status: string }[] = [];
  for (let token = ''; ; ) {
    const answer = await fetch(`${url}/v1/fine-tune?page_size=100${token === '' ? '' : `&page_token=${token}`}`).catch(() => undefined);
    if (answer?.status !== 200) {
      await setTimeout(100);
      continue;
    }
    const page = (await answer.json()) as { jobs: typeof jobs; next_page_token?: string };
    jobs.push(...page.jobs);
    if (!page.next_page_token) return jobs;
    token = page.next_page_token;
  }
}
