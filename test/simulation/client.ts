import { isForgeError } from '../../core/errors.ts';
import type { Promised } from '../support/check-outcomes.ts';
import type { SimulatedGateway } from './gateway.ts';
import type { Kernel, Process } from './kernel.ts';
import type { JobPlan } from './schedule.ts';

const answerMs = 4_000;
const pollMs = 600;
const backOffMs = 150;
const ended = ['completed', 'failed', 'cancelled'];

interface Deps {
  kernel: Kernel;
  /** The client's own, which nothing happens to. */
  process: Process;
  gateways: readonly SimulatedGateway[];
  random: () => number;
  told: Promised;
  oddities: string[];
}

type Answer<T> = { is: 'answer'; value: T } | { is: 'refusal'; code: string } | { is: 'silence' };

/** A client as the promises are made to it: it asks again when there was no answer, of either gateway, and believes every answer. */
export function createClient({ kernel, process, gateways, random, told, oddities }: Deps) {
  const delay = (): number => 1 + 4 * random();

  /** One HTTP request to one of the gateways. */
  function ask<T>(what: (gateway: SimulatedGateway) => Promise<T>): Promise<Answer<T>> {
    const gateway = gateways[Math.floor(random() * gateways.length)]!;
    return new Promise((resolve) => {
      const limit = kernel.in(answerMs, process, () => resolve({ is: 'silence' }));
      const reply = (answer: Answer<T>): void => void kernel.in(delay(), process, () => {
        limit.cancelled = true;
        resolve(answer);
      });
      kernel.in(delay(), undefined, () => {
        if (!gateway.process.alive || gateway.ledger === undefined) return reply({ is: 'silence' });
        kernel.in(0, gateway.process, () => {
          what(gateway).then(
            (value) => reply({ is: 'answer', value }),
            (error: unknown) => reply(isForgeError(error) && !['unavailable', 'version_conflict'].includes(error.code) ? { is: 'refusal', code: error.code } : { is: 'silence' }),
          );
        });
      });
    });
  }

  async function submit(key: string, plan: JobPlan): Promise<string> {
    for (;;) {
      const answer = await ask((gateway) => gateway.submit(key, plan));
      if (answer.is === 'answer') {
        const before = told.acknowledged.get(key);
        if (before !== undefined && before !== answer.value) oddities.push(`key ${key} was answered with ${before} and then with ${answer.value}`);
        told.acknowledged.set(key, answer.value);
        return answer.value;
      }
      if (answer.is === 'refusal') oddities.push(`the submission of ${key} was refused: ${answer.code}`);
      await kernel.sleep(backOffMs, process);
    }
  }

  /** Until it is carried out, or refused since the job is in another state. */
  async function order(what: (gateway: SimulatedGateway) => Promise<void>): Promise<void> {
    for (;;) {
      const answer = await ask(what);
      if (answer.is === 'answer') return;
      if (answer.is === 'refusal') {
        if (answer.code !== 'wrong_state') oddities.push(`an order was refused: ${answer.code}`);
        return;
      }
      await kernel.sleep(backOffMs, process);
    }
  }

  /** Has a job done, whatever happens on the way. Resolves when it has ended. */
  return async function run(key: string, plan: JobPlan): Promise<void> {
    await kernel.sleep(plan.at, process);
    const second = plan.user === 'submits twice' ? submit(key, plan) : undefined;
    const jobId = await submit(key, plan);
    await second;
    const submittedAt = kernel.now;
    let acted = plan.user === 'watches' || plan.user === 'submits twice';
    for (;;) {
      await kernel.sleep(pollMs, process);
      if (!acted && plan.user !== 'retries' && kernel.now - submittedAt >= plan.userAfterMs) {
        acted = true;
        await order((gateway) => gateway.control(jobId, plan.user === 'pauses' ? 'pause' : 'cancel'));
      }
      const answer = await ask((gateway) => gateway.status(jobId));
      if (answer.is === 'refusal') oddities.push(`the status of ${jobId} was refused: ${answer.code}`);
      if (answer.is !== 'answer') continue;
      if (answer.value === 'paused') await order((gateway) => gateway.control(jobId, 'resume'));
      if (!ended.includes(answer.value)) continue;
      told.ends.push({ jobId, status: answer.value });
      if (answer.value !== 'failed' || acted) return;
      acted = true;
      await order((gateway) => gateway.retry(jobId, `retry of ${key}`));
      // The other gateway may not have heard of it yet.
      await kernel.sleep(pollMs, process);
    }
  };
}
