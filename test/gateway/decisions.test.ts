import { create } from '@bufbuild/protobuf';
import t, { type Test } from 'tap';
import { DecisionMadeSchema, PipelinePlannedSchema } from '../../core/gen/aiforge/v1/events_pb.ts';
import { ListDecisionsRequestSchema } from '../../core/gen/aiforge/v1/retrain_pb.ts';
import { silentLogger } from '../../core/logger.ts';
import { projectAggregate } from '../../core/project/project.ts';
import { Ledger } from '../../core/store/ledger.ts';
import { createMemoryStore } from '../../core/store/memory-store.ts';
import { listDecisions } from '../../gateway/retrain/decisions.ts';

async function scene(t: Test) {
  const store = createMemoryStore();
  const ledger = new Ledger({ store, aggregates: [projectAggregate] as never, logger: silentLogger });
  await ledger.start();
  t.teardown(() => ledger.stop());
  let reads = 0;
  const counted = {
    readAggregate(...args: Parameters<typeof store.readAggregate>) {
      reads += 1;
      return store.readAggregate(...args);
    },
  };
  let made = 0;
  /** The reason of each is unlike that of the one before, and so are its figures. */
  const decide = async (project: string, time: number): Promise<void> => {
    made += 1;
    const decision = create(DecisionMadeSchema, { retrain: false, reason: `${project} ${made}`, trigger: 'watch', metrics: { headCommit: `c${made}` } });
    const { version } = await ledger.execute(projectAggregate, project, { type: 'decide', decision }, { commandId: `d${made}`, actor: 'test', time });
    await ledger.waitFor(version);
  };
  const list = async (fields: { projectName?: string; pageSize?: number; pageToken?: string } = {}) => {
    const { decisions, nextPageToken } = await listDecisions({ ledger, store: counted }, create(ListDecisionsRequestSchema, fields));
    return { reasons: decisions!.map(({ reason }) => reason), next: nextPageToken! };
  };
  /** All pages. @param between runs before each page but the first */
  const walk = async (fields: { projectName?: string; pageSize: number }, between = async (): Promise<void> => {}): Promise<unknown[]> => {
    const all = [];
    let page = await list(fields);
    for (;;) {
      all.push(...page.reasons);
      if (page.next === '') return all;
      await between();
      page = await list({ ...fields, pageToken: page.next });
    }
  };
  return { ledger, decide, list, walk, reads: () => reads };
}

t.test('every decision can be listed, also those that are not in memory any more', async (t) => {
  const { ledger, decide, list, walk, reads } = await scene(t);
  // Three projects: one with more than is kept, one whose few lie between its oldest, and one that was started.
  for (let n = 1; n <= 620; n++) await decide('busy', n * 10);
  for (let n = 1; n <= 25; n++) await decide('quiet', n * 100 + 5);
  const plan = create(PipelinePlannedSchema, { project: 'one', source: { commit: 'c' } });
  const { version } = await ledger.execute(projectAggregate, 'one', { type: 'start-pipeline', pipelineId: 'agent_1', plan, decision: create(DecisionMadeSchema, { retrain: true, reason: 'one 646', pipelineId: 'agent_1' }) }, { commandId: 's', actor: 'test', time: 15 });
  await ledger.waitFor(version);
  t.equal(ledger.head(projectAggregate, 'busy').state.decisions.length, 500);

  const times = new Map([...Array.from({ length: 620 }, (_, n) => [`busy ${n + 1}`, (n + 1) * 10] as const), ...Array.from({ length: 25 }, (_, n) => [`quiet ${621 + n}`, (n + 1) * 100 + 5] as const), ['one 646', 15] as const]);
  const newestFirst = [...times].sort(([, a], [, b]) => b - a).map(([reason]) => reason);
  t.strictSame((await list()).reasons, newestFirst.slice(0, 20));
  t.equal(reads(), 0, 'the first pages are in memory');
  for (const pageSize of [100, 7]) t.strictSame(await walk({ pageSize }), newestFirst, `by ${pageSize}: each once, the newest first`);
  t.strictSame(await walk({ projectName: 'busy', pageSize: 50 }), newestFirst.filter((reason) => reason.startsWith('busy')));
  const before = reads();
  t.strictSame((await list({ projectName: 'quiet' })).reasons.length, 20);
  t.equal(reads(), before, 'and so is all of a project that has few');
});

t.test('a page’s token stays good while more is decided', async (t) => {
  const { decide, list, walk } = await scene(t);
  for (let n = 1; n <= 500; n++) await decide('busy', n);
  const { next } = await list({ pageSize: 1 });
  let time = 500;
  const seen = await walk({ pageSize: 100 }, async () => {
    for (let n = 0; n < 30; n++) await decide('busy', ++time);
  });
  t.strictSame(seen, Array.from({ length: 500 }, (_, n) => `busy ${500 - n}`), 'what is cut meanwhile is listed all the same');
  t.strictSame((await list({ pageSize: 1, pageToken: next })).reasons, ['busy 499']);
});

t.test('a clock that was set back hides nothing', async (t) => {
  const { decide, walk } = await scene(t);
  for (let n = 1; n <= 300; n++) await decide('busy', 10_000 + n);
  for (let n = 1; n <= 300; n++) await decide('busy', n);
  t.strictSame(await walk({ pageSize: 100 }), Array.from({ length: 600 }, (_, n) => `busy ${600 - n}`));
});

t.test('a token that is none is refused', async (t) => {
  const { list } = await scene(t);
  for (const pageToken of ['x', '1.1', '1.1.', `1.1.${'p'.repeat(65)}`, '-1.1.p', '1..p']) await t.rejects(list({ pageToken }), { code: 'invalid_argument', field: 'page_token' }, pageToken);
  await t.rejects(list({ pageSize: 101 }), { code: 'invalid_argument', field: 'page_size' });
  t.strictSame(await list({ pageToken: '1.1.p' }), { reasons: [], next: '' });
});
