import { randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { create } from '@bufbuild/protobuf';
import t, { type Test } from 'tap';
import { ForgeError } from '../../core/errors.ts';
import { DecisionMadeSchema, PipelinePlannedSchema, ProjectRegisteredSchema, RetrainPendingSchema } from '../../core/gen/aiforge/v1/events_pb.ts';
import { createLogger, silentLogger } from '../../core/logger.ts';
import { projectAggregate, type ProjectCommand } from '../../core/project/project.ts';
import { Ledger } from '../../core/store/ledger.ts';
import { createMemoryStore } from '../../core/store/memory-store.ts';
import { createWatcher, type WatcherDeps } from '../../guardian/watch/watcher.ts';

t.setTimeout(10_000);

/** So long that it never comes in a test. */
const never = 3_600_000;
const registration = create(ProjectRegisteredSchema, { repository: '/repository', watch: true });
const plan = create(PipelinePlannedSchema, { trigger: 'request', project: 'p', source: { commit: 'c1' } });
const start: ProjectCommand = { type: 'start-pipeline', pipelineId: 'agent_1', plan, decision: create(DecisionMadeSchema, { retrain: true }) };
const end: ProjectCommand = { type: 'end-pipeline', pipelineId: 'agent_1', status: 'completed' };
const pend: ProjectCommand = { type: 'pend', pending: create(RetrainPendingSchema, { trigger: 'request', request: {} }) };
const no: ProjectCommand = { type: 'decide', decision: create(DecisionMadeSchema, { retrain: false, reason: 'no' }) };

/** A watcher of project "p" on a real fold. What it looks at and decides is written by the test. */
async function scene(t: Test, options: Partial<WatcherDeps> = {}) {
  const log: string[] = [];
  const logger = createLogger('test', (line) => log.push(line));
  const ledger = new Ledger({ store: createMemoryStore(), aggregates: [projectAggregate] as never, logger: silentLogger });
  await ledger.start();
  t.teardown(() => ledger.stop());
  const calls = new EventEmitter();
  const repository = {
    /** What the next looks find; the last one stays. */
    heads: ['c1'],
    looks: 0,
    /** `<project> <head> <cause>` */
    decisions: [] as string[],
    ages: false,
  };
  const execute = async (command: ProjectCommand, project = 'p'): Promise<void> => {
    const { version } = await ledger.execute(projectAggregate, project, command, { commandId: randomUUID(), actor: 'test', time: 1 });
    await ledger.waitFor(version);
  };
  const watcher = createWatcher({
    ledger,
    async fingerprint() {
      repository.looks += 1;
      const head = repository.heads.length > 1 ? repository.heads.shift()! : repository.heads[0]!;
      calls.emit('call');
      return head;
    },
    async decide(project, cause) {
      repository.decisions.push(`${project} ${repository.heads[0]} ${cause}`);
      // As the daemon does it: what waited is answered thereby.
      if (ledger.head(projectAggregate, project).state.pending !== undefined) await execute(no, project);
      calls.emit('call');
      return { ages: repository.ages };
    },
    intervalMs: 5,
    debounceMs: 2,
    logger,
    ...options,
  });
  t.teardown(() => watcher.stop());
  /** Waits for a call after which it holds. */
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await once(calls, 'call');
  };
  /** Waits for that many looks more. */
  const looks = (more: number): Promise<void> => {
    const wanted = repository.looks + more;
    return until(() => repository.looks >= wanted);
  };
  await execute({ type: 'register', registration });
  return { watcher, repository, ledger, log, execute, until, looks };
}

t.test('each head is decided on once', async (t) => {
  const { watcher, repository, looks, until } = await scene(t);
  watcher.start();
  await until(() => repository.decisions.length === 1);
  await looks(5);
  t.strictSame(repository.decisions, ['p c1 watch'], 'a head that stands still is no news');
  repository.heads = ['c2'];
  await until(() => repository.decisions.length === 2);
  await looks(5);
  t.strictSame(repository.decisions, ['p c1 watch', 'p c2 watch']);
});

t.test('where time alone may change the decision, each interval decides', async (t) => {
  const { watcher, repository, until } = await scene(t);
  repository.ages = true;
  watcher.start();
  await until(() => repository.decisions.length === 3);
  t.strictSame(repository.decisions.slice(0, 3), ['p c1 watch', 'p c1 watch', 'p c1 watch']);
});

t.test('a head that goes on moving is one change', async (t) => {
  const { watcher, repository, looks, until } = await scene(t, { intervalMs: never, debounceMs: 200 });
  // Ten times the debounce is the most it waits: long beside what a busy machine makes of five looks.
  repository.heads = ['c1', 'c2', 'c3', 'c4', 'c5'];
  watcher.start();
  await until(() => repository.decisions.length === 1);
  t.strictSame(repository.decisions, ['p c5 watch']);
  t.equal(repository.looks, 6, 'two looks in a row found the same');
  // The second of these begins when the first has come to nothing.
  for (let n = 0; n < 2; n++) {
    const look = looks(1);
    watcher.notice('p', 'watch');
    await look;
  }
  t.equal(repository.decisions.length, 1);
});

t.test('one that never stands still is decided on all the same', async (t) => {
  const { watcher, repository, until } = await scene(t, { intervalMs: never });
  repository.heads = Array.from({ length: 10_000 }, (_, n) => `c${n}`);
  const begun = performance.now();
  watcher.start();
  await until(() => repository.decisions.length === 1);
  t.ok(performance.now() - begun >= 20, 'not before 10 times the debounce');
  t.ok(repository.looks <= 22, `${repository.looks} looks`);
});

t.test('a webhook is answered with a decision, also where nothing moved', async (t) => {
  const { watcher, repository, until } = await scene(t, { intervalMs: never });
  watcher.start();
  await until(() => repository.decisions.length === 1);
  watcher.notice('p', 'webhook');
  await until(() => repository.decisions.length === 2);
  t.strictSame(repository.decisions, ['p c1 watch', 'p c1 webhook']);
});

t.test('at most 4 looks are under way at a time, and each gets its turn', async (t) => {
  let [running, most] = [0, 0];
  const slow = async (): Promise<void> => {
    running += 1;
    most = Math.max(most, running);
    await new Promise(setImmediate);
    running -= 1;
  };
  const decided = new Set<string>();
  const calls = new EventEmitter();
  const { watcher, execute } = await scene(t, {
    intervalMs: never,
    async fingerprint() {
      await slow();
      return 'c1';
    },
    async decide(project) {
      await slow();
      decided.add(project);
      calls.emit('call');
      return { ages: false };
    },
  });
  for (let n = 0; n < 30; n++) await execute({ type: 'register', registration }, `p${n}`);
  watcher.start();
  while (decided.size < 31) await once(calls, 'call');
  t.equal(most, 4);
});

t.test('what waits for its turn when all is stopped never begins', async (t) => {
  let looks = 0;
  const asked = Promise.withResolvers<void>();
  const { watcher, execute, log } = await scene(t, {
    intervalMs: never,
    async fingerprint(_project, signal) {
      looks += 1;
      if (looks === 4) asked.resolve();
      await once(signal, 'abort');
      throw signal.reason;
    },
  });
  for (let n = 0; n < 10; n++) await execute({ type: 'register', registration }, `p${n}`);
  watcher.start();
  await asked.promise;
  await watcher.stop();
  t.strictSame([looks, log], [4, []]);
});

t.test('a webhook makes a look at once', async (t) => {
  const { watcher, repository, until } = await scene(t, { intervalMs: never });
  watcher.start();
  await until(() => repository.decisions.length === 1);
  repository.heads = ['c2'];
  watcher.notice('p', 'webhook');
  await until(() => repository.decisions.length === 2);
  t.equal(repository.decisions[1], 'p c2 webhook');
});

t.test('notices that come during a look make one more, for the strongest of their causes', async (t) => {
  const gate = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const causes: string[] = [];
  const decided = new EventEmitter();
  let looks = 0;
  const { watcher } = await scene(t, {
    intervalMs: never,
    async fingerprint() {
      looks += 1;
      if (looks === 1) {
        asked.resolve();
        await gate.promise;
      }
      return looks <= 2 ? 'c1' : 'c2';
    },
    async decide(_project, cause) {
      causes.push(cause);
      decided.emit('decided');
      return { ages: false };
    },
  });
  watcher.start();
  await asked.promise;
  watcher.notice('p', 'webhook');
  watcher.notice('p', 'watch');
  gate.resolve();
  while (causes.length < 2) await once(decided, 'decided');
  t.strictSame(causes, ['watch', 'webhook']);
});

t.test('while a pipeline runs nothing is looked at, and its end makes one look', async (t) => {
  const { watcher, repository, execute, looks, until } = await scene(t);
  await execute(start);
  await execute({ type: 'register', registration }, 'other');
  watcher.start();
  watcher.notice('p', 'webhook');
  repository.heads = ['c2'];
  await looks(5);
  t.strictSame([...new Set(repository.decisions)], ['other c2 watch'], 'the other project is looked at meanwhile');
  await execute(end);
  watcher.notice('p', 'ended');
  await until(() => repository.decisions.includes('p c2 ended'));
  await looks(6);
  t.equal(repository.decisions.filter((each) => each.startsWith('p ')).length, 1, 'one look');
});

t.test('the end is looked at also where the head is as it was', async (t) => {
  const { watcher, repository, execute, until } = await scene(t, { intervalMs: never });
  watcher.start();
  await until(() => repository.decisions.length === 1);
  await execute(start);
  await execute(end);
  watcher.notice('p', 'ended');
  await until(() => repository.decisions.length === 2);
  t.strictSame(repository.decisions, ['p c1 watch', 'p c1 ended']);
});

t.test('what waited is decided at the end, without a look of its own', async (t) => {
  const { watcher, repository, execute, ledger, until } = await scene(t, { intervalMs: never, debounceMs: never });
  await execute(start);
  await execute(pend);
  watcher.start();
  watcher.notice('p', 'webhook');
  await execute(end);
  watcher.notice('p', 'ended');
  await until(() => repository.decisions.length === 1);
  t.strictSame(repository.decisions, ['p c1 ended']);
  t.equal(repository.looks, 0);
  t.equal(ledger.head(projectAggregate, 'p').state.pending, undefined);
});

t.test('what waited when the guardian ended is decided at its start, registered or not', async (t) => {
  const { watcher, repository, execute, until } = await scene(t, { intervalMs: never, debounceMs: never });
  for (const command of [start, pend, end]) await execute(command, 'unregistered');
  watcher.start();
  await until(() => repository.decisions.length === 1);
  t.strictSame(repository.decisions, ['unregistered c1 ended']);
});

t.test('only what is registered to be watched is looked at, from then on', async (t) => {
  const { watcher, repository, execute, until } = await scene(t, { intervalMs: never });
  await execute({ type: 'register', registration: create(ProjectRegisteredSchema, { repository: '/quiet' }) }, 'quiet');
  watcher.start();
  watcher.notice('quiet', 'webhook');
  watcher.notice('unknown', 'webhook');
  await execute({ type: 'register', registration }, 'later');
  await until(() => repository.decisions.length === 2);
  t.strictSame(repository.decisions.sort(), ['later c1 watch', 'p c1 watch']);
  await execute({ type: 'delete' }, 'later');
  await execute({ type: 'register', registration }, 'later');
  await until(() => repository.decisions.length === 3);
  t.equal(repository.decisions.filter((each) => each === 'later c1 watch').length, 2, 'anew after it was deleted');
});

t.test('a look that fails is said, and the next interval looks again', async (t) => {
  for (const [error, level] of [[new ForgeError('unavailable', 'the remote is away'), 'warn'], [new TypeError('a fault'), 'error']] as const) {
    let failures = 2;
    const { watcher, log, repository, until } = await scene(t, {
      async fingerprint() {
        if (failures-- > 0) throw error;
        return 'c1';
      },
    });
    watcher.start();
    await until(() => repository.decisions.length === 1);
    t.strictSame(log.map((line) => line.includes(` ${level} test: `) && line.includes(error.message)), [true, true]);
  }
});

t.test('the look after an end is made up for when it fails', async (t) => {
  let away = false;
  const { watcher, repository, execute, until, log } = await scene(t, {
    async fingerprint() {
      if (!away) return 'c1';
      away = false;
      throw new ForgeError('unavailable', 'the remote is away');
    },
  });
  watcher.start();
  await until(() => repository.decisions.length === 1);
  await execute(start);
  await execute(end);
  away = true;
  watcher.notice('p', 'ended');
  await until(() => repository.decisions.length === 2);
  t.equal(log.length, 1);
  t.match(repository.decisions[1], /^p c1 /);
});

t.test('stop ends whatever is under way, and nothing begins after it', async (t) => {
  await t.test('waiting for a head to settle', async (t) => {
    const { watcher, repository, until } = await scene(t, { intervalMs: never, debounceMs: never });
    watcher.start();
    await until(() => repository.looks === 1);
    await watcher.stop();
    watcher.notice('p', 'webhook');
    t.strictSame([repository.looks, repository.decisions.length], [1, 0]);
  });
  await t.test('a look, and a decision, which end by the signal', async (t) => {
    for (const where of ['fingerprint', 'decide'] as const) {
      const asked = Promise.withResolvers<void>();
      let ended = false;
      const hang = async (signal: AbortSignal): Promise<never> => {
        asked.resolve();
        await once(signal, 'abort');
        await new Promise(setImmediate);
        ended = true;
        throw signal.reason;
      };
      const { watcher, log } = await scene(t, { intervalMs: never, ...(where === 'fingerprint' ? { fingerprint: (_project, signal) => hang(signal) } : { decide: (_project, _cause, signal) => hang(signal) }) });
      watcher.start();
      await asked.promise;
      await watcher.stop();
      t.equal(ended, true, `${where} was waited for`);
      t.strictSame(log, [], 'and its end is no error');
    }
  });
  await t.test('also a look at a project that was deleted meanwhile', async (t) => {
    const asked = Promise.withResolvers<void>();
    let ended = false;
    const { watcher, execute } = await scene(t, {
      intervalMs: never,
      async fingerprint(_project, signal) {
        asked.resolve();
        await once(signal, 'abort');
        await new Promise(setImmediate);
        ended = true;
        throw signal.reason;
      },
    });
    watcher.start();
    await asked.promise;
    await execute({ type: 'delete' });
    await watcher.stop();
    t.equal(ended, true);
  });
});
