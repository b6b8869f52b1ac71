import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { silentLogger } from '../../core/logger.ts';
import { pipelineAggregate } from '../../core/pipeline/pipeline.ts';
import { projectAggregate } from '../../core/project/project.ts';
import type { EventStore } from '../../core/store/event-store.ts';
import { Ledger } from '../../core/store/ledger.ts';
import { createMemoryStore } from '../../core/store/memory-store.ts';
import { planClaimed, startPipeline } from '../../guardian/retrain/start.ts';
import { planOf } from '../core/pipeline-support.ts';

async function open(t: Test, store: EventStore): Promise<Ledger> {
  const ledger = new Ledger({ store, aggregates: [projectAggregate, pipelineAggregate] as never, logger: silentLogger });
  await ledger.start();
  t.teardown(() => ledger.stop());
  return ledger;
}
const projectOf = async (ledger: Ledger, id: string): Promise<string> => {
  const { state } = await ledger.refresh(pipelineAggregate, id);
  return state.status === 'none' ? '' : state.plan.project;
};
const meta = (commandId: string = randomUUID()) => ({ commandId, actor: 'guardian', time: 1 });

t.test('a pipeline is claimed and made', async (t) => {
  const ledger = await open(t, createMemoryStore());
  const { pipelineId, sequence } = await startPipeline(ledger, planOf());
  t.match(pipelineId, /^agent_\d{8}_\d{6}$/);
  t.equal(sequence, 2);
  t.equal(await projectOf(ledger, pipelineId), 'p');
  t.strictSame(await planClaimed(ledger, planOf(), pipelineId), { pipelineId, sequence }, 'made again it is found');
  await t.rejects(startPipeline(ledger, planOf()), { code: 'wrong_state' }, 'a project has one');
});

t.test('of two guardians that give one id to two projects, the later one claims another', async (t) => {
  const inner = createMemoryStore();
  const other = await open(t, inner);
  let taken = '';
  /** The other guardian's pipeline comes between the claim and its own. */
  const store: EventStore = {
    ...inner,
    async append(aggregate, id, ...rest) {
      if (aggregate === 'pipeline' && taken === '') {
        taken = id;
        await other.execute(pipelineAggregate, id, { type: 'plan', plan: { ...planOf(), project: 'q' } }, meta(`plan:q:${id}`));
      }
      return inner.append(aggregate, id, ...rest);
    },
  };
  const ledger = await open(t, store);
  const { pipelineId, sequence } = await startPipeline(ledger, planOf());
  t.match(pipelineId, new RegExp(`^${taken}_[0-9a-f]{10}$`));
  t.equal(sequence, await inner.lastSequence());
  t.equal(await projectOf(ledger, taken), 'q');
  t.equal(await projectOf(ledger, pipelineId), 'p');
  const { active, lastTry, decisions } = (await ledger.refresh(projectAggregate, 'p')).state;
  t.equal(active?.pipelineId, pipelineId);
  t.match(lastTry, { pipelineId: taken, status: 'failed' });
  t.strictSame(decisions.map(({ made }) => made.pipelineId), [taken, pipelineId]);
  t.strictSame(await planClaimed(ledger, planOf(), taken), { pipelineId, sequence }, 'whoever does the same at the same time comes to the same id');
});
