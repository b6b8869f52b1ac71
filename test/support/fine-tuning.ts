import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import OpenAI from 'openai';
import { putTree } from '../../core/blobs/tree.ts';
import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import type { StopReason, TaskRunner } from '../../core/worker/task-runner.ts';
import type { GatewayScene } from './gateway-scene.ts';
import { writeTinyExport } from './tiny-model.ts';

/** A training file in chat form. @param count examples, each unlike the others */
export function chatLines(count: number, topic = 'add'): string {
  const row = (n: number) => ({ messages: [{ role: 'system', content: 'You write code.' }, { role: 'user', content: `Write ${topic}${n}` }, { role: 'assistant', content: `function ${topic}${n}(a, b) {\n  return a + b + ${n};\n}` }] });
  return Array.from({ length: count }, (_, n) => `${JSON.stringify(row(n))}\n`).join('');
}

export function sdk(scene: Pick<GatewayScene, 'url'>): OpenAI {
  return new OpenAI({ baseURL: `${scene.url}/v1`, apiKey: 'not-needed', maxRetries: 0, timeout: 60_000 });
}

export interface Training {
  total?: number;
  /** Called after each step was measured. */
  hold?: (step: number, signal: AbortSignal) => Promise<void>;
}

/** Trains nothing, but reports and leaves behind what a real training does. */
export function fakeTraining(scene: () => GatewayScene, { total = 4, hold }: Training = {}): TaskRunner {
  return async (context) => {
    const from = Number(context.assignment.inputs?.checkpointStep ?? 0n);
    const adapter = join(context.workDir, 'adapter');
    await mkdir(adapter);
    const lines: object[] = [];
    const lossAt = (step: number): number => 5 - step / 2;
    context.phase('training', total);
    for (let step = from + 1; step <= total; step++) {
      const epoch = step / total;
      context.metric({ step: BigInt(step), epoch, loss: lossAt(step), learningRate: 0.1, tokensPerSecond: 100, etaSeconds: total - step, totalSteps: BigInt(total) });
      lines.push({ type: 'metrics', step, epoch, loss: lossAt(step), learning_rate: 0.1, grad_norm: 1, tokens_per_second: 100, eta_seconds: total - step, tokens_seen: step * 16 });
      if (step % 2 === 0) {
        context.metric({ step: BigInt(step), epoch, heldoutLoss: lossAt(step) + 0.25 });
        lines.push({ type: 'evaluation', step, epoch, loss: lossAt(step) + 0.25 });
      }
      await hold?.(step, context.signal);
      const stop = context.signal.aborted ? (context.signal.reason as StopReason) : undefined;
      if (step % 2 === 0 || stop === 'pause') await context.checkpoint({ step, epoch, loss: lossAt(step), digest: await putTree(scene().blobs, adapter), seconds: 0.1 });
      if (stop !== undefined) return 'stopped';
    }
    await writeFile(join(adapter, 'metrics.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    return { kind: { case: 'train', value: { adapterDigest: await putTree(scene().blobs, adapter), finalLoss: lossAt(total), steps: BigInt(total), epochs: 1, tokensSeen: BigInt(total * 16), seconds: 1 } } };
  };
}

/** Exports a model of random weights, which the embedded engine really serves. */
export function tinyExport(scene: () => GatewayScene): Partial<Record<TaskKind, TaskRunner>> {
  return {
    [TaskKind.EXPORT]: async (context) => {
      const dir = join(context.workDir, 'export');
      const { ggufDigest } = await writeTinyExport(dir);
      return { kind: { case: 'export', value: { exportDigest: await putTree(scene().blobs, dir), ggufDigest, ggufSize: 1n, quantization: 'F32' } } };
    },
  };
}

/** Holds a training at a step until it is told to stop, or `release` is called. */
export function createHold(at: number) {
  const reached = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  return {
    reached: reached.promise,
    release: () => released.resolve(),
    hold: async (step: number, signal: AbortSignal): Promise<void> => {
      if (step !== at || signal.aborted) return;
      reached.resolve();
      await Promise.race([released.promise, once(signal, 'abort')]);
    },
  };
}

/** Asks until the job is at one of these; the SDK has no other way to wait. */
export function untilStatus(client: OpenAI, id: string, ...wanted: string[]): Promise<OpenAI.FineTuning.FineTuningJob> {
  return untilStatusWithin(60_000, client, id, ...wanted);
}

export async function untilStatusWithin(limitMs: number, client: OpenAI, id: string, ...wanted: string[]): Promise<OpenAI.FineTuning.FineTuningJob> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const job = await client.fineTuning.jobs.retrieve(id);
    if (wanted.includes(job.status)) return job;
    if (performance.now() > deadline || ['succeeded', 'failed', 'cancelled'].includes(job.status)) throw new Error(`${id} is ${job.status}: ${JSON.stringify(job.error)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
