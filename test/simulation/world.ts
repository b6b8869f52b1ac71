import { randomNumbers } from '../../core/random-numbers.ts';
import type { StoredEnvelope } from '../../core/store/event-store.ts';
import type { Promised } from '../support/check-outcomes.ts';
import { createSimulatedAgent } from './agent.ts';
import { createClient } from './client.ts';
import { createSimulatedGateway } from './gateway.ts';
import { Kernel, type Process } from './kernel.ts';
import { createMemoryFiles } from './memory-files.ts';
import { Messaging } from './messaging.ts';
import { Network } from './network.ts';
import { agents, gateways, type Fault, type Schedule } from './schedule.ts';
import { Stream } from './stream.ts';
import { enterVirtualWorld } from './virtual-world.ts';

/** Once all faults are over, everything has to come to its end within so much simulated time. */
const patienceMs = 180_000;
/** What is still on its way then, such as a zombie's reports, is to arrive too. */
const afterMs = 3_000;

/** What a run came to. */
export interface Outcome {
  history: readonly StoredEnvelope[];
  told: Promised;
  /** Answers that contradict each other or that no client should get, and what else was noticed on the way. */
  oddities: string[];
  steps: number;
  /** Simulated milliseconds. */
  lasted: number;
}

/** Runs one schedule from its first request until all is done. A pure function of the schedule. */
export async function simulate(schedule: Schedule): Promise<Outcome> {
  const kernel = new Kernel();
  const random = randomNumbers(schedule.seed ^ 0x5eed);
  const files = createMemoryFiles(random);
  const leave = enterVirtualWorld(kernel, random, files);
  try {
    const network = new Network(kernel, random);
    const messaging = new Messaging(network);
    const stream = new Stream(network);
    const oddities: string[] = [];
    const told: Promised = { acknowledged: new Map(), ends: [] };
    const processes = new Map([...gateways, ...agents, 'client'].map((name) => [name, { name, life: 1, alive: true, stalledUntil: 0, clockAheadMs: 0 } satisfies Process]));
    const processOf = (name: string): Process => processes.get(name)!;

    const plans = new Map(schedule.jobs.map((plan, index) => [`key-${index + 1}`, plan]));
    const planOf = (taskId: string) => [...told.acknowledged].flatMap(([key, jobId]) => (jobId === taskId ? [plans.get(key)!] : []))[0];
    const servers = gateways.map((name) => createSimulatedGateway(processOf(name), stream, messaging));
    const programs = new Map<string, { boot(): void }>([...servers.map((server) => [server.process.name, server] as const), ...agents.map((name) => [name, createSimulatedAgent(processOf(name), messaging, planOf)] as const)]);
    for (const [name, program] of programs) kernel.in(0, processOf(name), () => program.boot());

    const run = createClient({ kernel, process: processOf('client'), gateways: servers, random, told, oddities });
    let waiting = plans.size;
    for (const [key, plan] of plans) {
      kernel.in(0, processOf('client'), () => void run(key, plan).then(() => (waiting -= 1), (error: unknown) => oddities.push(`the client of ${key} failed: ${String(error)}`)));
    }
    for (const fault of schedule.faults) kernel.in(fault.at, undefined, () => strike(fault));

    function strike({ kind, target, forMs, amount }: Fault): void {
      const over = (end: () => void): void => void kernel.in(forMs, undefined, () => {
        end();
        network.changed();
      });
      if (kind === 'outage') {
        network.serverUp = false;
        over(() => (network.serverUp = true));
        return network.changed();
      }
      const process = processOf(target);
      const link = network.link(process);
      switch (kind) {
        case 'crash':
        case 'gone':
          if (!process.alive) return;
          process.alive = false;
          process.life += 1;
          process.stalledUntil = 0;
          messaging.forget(process);
          files.crash(`/spool/${target}`);
          if (kind === 'gone') break;
          over(() => {
            process.alive = true;
            kernel.in(0, process, () => programs.get(target)!.boot());
          });
          break;
        case 'stall':
          process.stalledUntil = Math.max(process.stalledUntil, kernel.now + forMs);
          break;
        case 'cut':
          link.cut = true;
          over(() => (link.cut = false));
          break;
        case 'lossy':
          link.loss = 0.3;
          over(() => (link.loss = 0));
          break;
        case 'slow':
          link.holdMs = 2_500;
          over(() => (link.holdMs = 0));
          break;
        case 'twice':
          link.twice = 0.5;
          over(() => (link.twice = 0));
          break;
        case 'clock':
          process.clockAheadMs = amount;
          over(() => (process.clockAheadMs = 0));
      }
      network.changed();
    }

    const unfinished = watchUnfinished(stream);
    const quiet = Math.max(0, ...schedule.faults.map((fault) => fault.at + fault.forMs), ...schedule.jobs.map((job) => job.at + job.userAfterMs));
    await kernel.run(quiet + patienceMs, () => waiting === 0 && unfinished.size === 0);
    // Of a fault that comes later nothing can come any more: all work is done.
    const begun = schedule.faults.filter((fault) => fault.at <= kernel.now).map((fault) => fault.at + fault.forMs);
    if (waiting > 0) oddities.push(`${waiting} clients were still waiting for the end of their jobs ${patienceMs} ms after the last fault`);
    await kernel.run(Math.max(kernel.now, ...begun) + afterMs, () => false);
    for (const { process, ledger } of servers) if (ledger !== undefined && ledger.rejected > 0) oddities.push(`${process.name} did not apply ${ledger.rejected} envelopes, which should not be there`);
    return { history: stream.log, told, oddities, steps: kernel.steps, lasted: kernel.now };
  } finally {
    leave();
  }
}

/** The ids of tasks that have not come to their end. */
function watchUnfinished(stream: Stream): ReadonlySet<string> {
  const unfinished = new Set<string>();
  stream.onAppended(({ aggregate, id, envelope }) => {
    if (aggregate !== 'task') return;
    for (const { kind } of envelope.events) {
      if (kind.case === 'taskQueued' || kind.case === 'taskRetried') unfinished.add(id);
      if (kind.case === 'taskCompleted' || kind.case === 'taskFailed' || kind.case === 'taskCancelled') unfinished.delete(id);
    }
  });
  return unfinished;
}
