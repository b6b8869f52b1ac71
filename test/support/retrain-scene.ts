import { writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Test } from 'tap';
import { putTree } from '../../core/blobs/tree.ts';
import { dataPaths } from '../../core/config.ts';
import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import { silentLogger } from '../../core/logger.ts';
import { connectNats } from '../../core/nats.ts';
import { sha256Hex } from '../../core/store/envelope.ts';
import type { EventStore } from '../../core/store/event-store.ts';
import { createJetStreamStore } from '../../core/store/jetstream-store.ts';
import type { RunnerResult, StopReason, TaskContext, TaskRunner } from '../../core/worker/task-runner.ts';
import { createWorker } from '../../core/worker/worker.ts';
import { createGuardian } from '../../guardian/guardian.ts';
import { gatewayScene, watch, type Answer, type GatewayScene, type Watched } from './gateway-scene.ts';

export type HeldKind = 'extract' | 'train' | 'evaluate' | 'export';

/** A task that waits in its middle, as long as it is not told to stop. */
export interface Hold {
  /** Resolves when a task of that kind has got there. */
  readonly reached: Promise<void>;
  /** This one and those after it go on. */
  release(): void;
}

/**
 * The gateway on a real socket with the guardian and a worker that trains, evaluates and exports, all in this process:
 * whole pipelines but for a deployment, with each step held where the test wants it.
 */
export interface RetrainScene extends GatewayScene {
  readonly repository: string;
  readonly store: EventStore;
  /** Share by which an evaluated model is better than its base. */
  margin: number;
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Tasks of that kind wait from now on. */
  hold(kind: HeldKind): Hold;
  /** Starts a pipeline. @returns its id */
  retrain(fields?: Record<string, unknown>): Promise<string>;
  /** Follows a pipeline to its end, or until a message fits. */
  follow(id: string, until?: (message: Record<string, unknown>) => boolean, after?: string): Promise<Watched>;
  /** Asks again until it is so, where no feed tells. */
  until(holds: () => Promise<boolean>): Promise<void>;
  /** Sequence of the stream's last event. */
  last(): Promise<number>;
}

const steps = 4;
const untilMs = 60_000;

export async function retrainScene(t: Pick<Test, 'teardown'>, settings: Record<string, string> = {}): Promise<RetrainScene> {
  const scene = await gatewayScene(t, { FORGE_WATCH_MS: '3600000', ...settings });
  const { config, nats, blobs } = scene;
  const holds = new Map<HeldKind, { reached: () => void; released: Promise<void> }>();

  async function pass(kind: HeldKind, signal: AbortSignal): Promise<void> {
    const hold = holds.get(kind);
    if (hold === undefined) return;
    hold.reached();
    const stopped = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => stopped.resolve(), { once: true });
    if (!signal.aborted) await Promise.race([hold.released, stopped.promise]);
  }

  const runner = (kind: Exclude<HeldKind, 'extract'>, run: (context: TaskContext) => Promise<RunnerResult>): TaskRunner => async (context) => {
    await pass(kind, context.signal);
    return context.signal.aborted ? 'stopped' : run(context);
  };
  const train: TaskRunner = async (context) => {
    const { spec, inputs } = context.assignment;
    const extract = spec?.kind.case === 'train' && spec.kind.value.source.case === 'extract' ? spec.kind.value.source.value : undefined;
    context.phase('training', steps);
    for (let step = Number(inputs!.checkpointStep) + 1; step <= steps; step++) {
      context.metric({ step: BigInt(step), epoch: step / steps, loss: 5 - step / 2, learningRate: 0.1, tokensPerSecond: 100, totalSteps: BigInt(steps) });
      if (step === 2) await pass('train', context.signal);
      if (!context.signal.aborted) continue;
      const reason = context.signal.reason as StopReason;
      await writeFile(join(context.workDir, 'state'), `${context.assignment.taskId} ${step}`);
      if (reason === 'pause' || reason === 'drain') await context.checkpoint({ step, epoch: step / steps, loss: 5 - step / 2, digest: await putTree(blobs, context.workDir), seconds: 0.1 });
      return 'stopped';
    }
    await writeFile(join(context.workDir, 'adapter'), context.assignment.taskId);
    const lineage = { repository: extract?.repository ?? '', commit: extract?.commit ?? '', datasetDigest: inputs!.datasetDigest, baseModel: 'ai-forge/starter' };
    return { kind: { case: 'train', value: { adapterDigest: await putTree(blobs, context.workDir), finalLoss: 3, steps: BigInt(steps), epochs: 1, tokensSeen: 64n, seconds: 1, lineage } } };
  };
  const evaluate = async (context: TaskContext): Promise<RunnerResult> => {
    const { margin } = retrainScene;
    const asked = context.assignment.spec?.kind;
    const reference = asked?.case === 'evaluate' ? asked.value.referenceJobId : '';
    await writeFile(join(context.workDir, 'report.md'), `# Evaluation of ${context.assignment.taskId}\n`);
    const marginInterval = { low: margin - 0.01, high: margin + 0.01, confidence: 0.95, samples: 100n };
    return {
      kind: {
        case: 'evaluate',
        value: {
          loss: Math.log(20 * (1 - margin)), perplexity: 20 * (1 - margin), baseLoss: Math.log(20), basePerplexity: 20, tokens: 100n, examples: 10n, margin, marginInterval,
          reportDigest: await putTree(blobs, context.workDir),
          ...(reference === '' ? {} : { reference: { jobId: reference, loss: Math.log(20 * (1 - margin)), perplexity: 20 * (1 - margin), margin: 0, marginInterval: { ...marginInterval, low: -0.01, high: 0.01 } } }),
          general: { name: 'scene', digest: 'd'.repeat(64), perplexity: 10, basePerplexity: 10, tokens: 10n, examples: 1n, increase: 0 },
        },
      },
    };
  };
  const exportModel = async (context: TaskContext): Promise<RunnerResult> => {
    const gguf = Buffer.from(`weights of ${context.assignment.taskId}`);
    await writeFile(join(context.workDir, 'model.gguf'), gguf);
    return { kind: { case: 'export', value: { exportDigest: await putTree(blobs, context.workDir), ggufDigest: sha256Hex(gguf), ggufSize: BigInt(gguf.length), quantization: 'Q4_K_M' } } };
  };

  const connection = await connectNats(nats.url, 'trainer');
  const kinds = [TaskKind.TRAIN, TaskKind.EVALUATE, TaskKind.EXPORT];
  const worker = createWorker({
    nats: connection, workerId: 'trainer', logger: silentLogger,
    info: { host: hostname(), slots: [{ name: 'one', kinds }, { name: 'two', kinds }] },
    runners: { [TaskKind.TRAIN]: train, [TaskKind.EVALUATE]: runner('evaluate', evaluate), [TaskKind.EXPORT]: runner('export', exportModel) },
    dirs: { spool: join(config.dataDir, 'trainer', 'spool'), work: dataPaths(config.dataDir).work },
    settings: { beatMs: config.beatMs, fenceMs: config.fenceMs },
  });
  const guardianConnection = await connectNats(nats.url, 'guardian', '_INBOX.guardian');
  const guardian = createGuardian({
    config, nats: guardianConnection, logger: silentLogger,
    extract: (own) => async (context) => {
      await pass('extract', context.signal);
      return own(context);
    },
  });
  t.teardown(async () => {
    await worker.stop();
    await connection.close();
    await guardian.stop(2_000);
    await guardianConnection.close();
  });
  await guardian.start();
  await worker.start();

  const store = await createJetStreamStore(connection);
  const retrainScene: RetrainScene = Object.assign(scene, {
    repository: join(config.projectRoots[0]!, scene.project),
    store,
    margin: 0.2,
    async call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
      const response = await fetch(`${scene.url}${path}`, { method, headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
      return { status: response.status, headers: response.headers, body: (await response.json()) as Record<string, unknown> };
    },
    hold(kind: HeldKind) {
      const reached = Promise.withResolvers<void>();
      const released = Promise.withResolvers<void>();
      holds.set(kind, { reached: reached.resolve, released: released.promise });
      const release = (): void => {
        holds.delete(kind);
        released.resolve();
      };
      return { reached: reached.promise, release };
    },
    async retrain(fields: Record<string, unknown> = {}) {
      const { status, body } = await scene.post('/v1/retrain', { ...(fields['project_name'] === undefined ? { project_path: scene.project } : {}), force: true, ...fields });
      if (status !== 200 || body['triggered'] !== true) throw new Error(`nothing was started: ${status} ${JSON.stringify(body)}`);
      return body['job_id'] as string;
    },
    follow: (id: string, until?: (message: Record<string, unknown>) => boolean, after = '') => watch(scene, id, after, until),
    async until(holds: () => Promise<boolean>) {
      const deadline = performance.now() + untilMs;
      while (!(await holds())) {
        if (performance.now() > deadline) throw new Error(`it was not so within ${untilMs} ms`);
        await setTimeout(20);
      }
    },
    last: () => store.lastSequence(),
  });
  return retrainScene;
}

/** Python files with enough in them, unlike each other, for a dataset with held-out rows. @param salt makes other contents */
export function pythonFiles(folder: string, count: number, salt: number): Record<string, string> {
  const words = ['amount', 'border', 'cargo', 'depth', 'edge', 'fault', 'grade', 'hinge'];
  const part = (n: number, m: number): string => {
    const [first, second] = [words[(n + m + salt) % words.length]!, words[(3 * n + m + 1 + salt) % words.length]!];
    return `def ${first}_of_${n}_${m}_${salt}(${second}, size):\n    """${first} of the ${second} in case ${n * 10 + m}, as of ${salt}."""\n    part = ${second} * ${n * 7 + m} - size * ${salt + m}\n    return part + ${n * m + salt}\n\n`;
  };
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`${folder}/case${n}.py`, Array.from({ length: 6 }, (_line, m) => part(n, m)).join('\n')]));
}
