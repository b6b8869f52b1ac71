import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { NatsConnection } from '@nats-io/transport-node';
import type { HealthService } from '../core/gen/aiforge/v1/health_pb.ts';
import { TaskKind } from '../core/gen/aiforge/v1/task_pb.ts';
import type { InferenceBackend } from './inference/backend.ts';
import type { Implementation } from './method.ts';
import type { Roster } from './workers/roster.ts';
import { wakeSubject } from './workers/serve.ts';

/** Each part is asked at once and none longer than this, so that the answer comes within a second. */
const probeMs = 800;

interface Deps {
  connection: NatsConnection;
  /** Why no event can be appended any more; undefined while all is well. */
  problem(): string | undefined;
  backend: InferenceBackend;
  roster: Roster;
  /** Whether Ollama answers, whatever backend is in use. */
  ollamaAvailable(signal: AbortSignal): Promise<boolean>;
}

/** `healthy` when all that a training and a chat need is there; else `degraded`, and which part is away. */
export function createHealthService({ connection, problem, backend, roster, ollamaAvailable }: Deps): Implementation<typeof HealthService> & { serving(): Promise<boolean> } {
  const nats = async (): Promise<boolean> => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), probeMs);
    connection.rtt().then(() => resolve(true), () => resolve(false));
    return promise.finally(() => clearTimeout(timer));
  };
  // Workers beat at once when they are woken, so a dead one is noticed now and not at the next beat.
  const wake = (): void => connection.publish(wakeSubject);
  return {
    async getHealth(_request, context) {
      const signal = AbortSignal.any([context.signal, AbortSignal.timeout(probeMs)]);
      const served = (kind: TaskKind) => roster.isServed(kind, wake, probeMs);
      const [natsThere, agentThere, guardianThere, inferenceThere, ollamaThere] = await Promise.all([
        nats(),
        served(TaskKind.TRAIN),
        served(TaskKind.EXTRACT),
        backend.available(signal),
        ollamaAvailable(signal),
      ]);
      const degraded = [];
      if (!natsThere) degraded.push('nats');
      if (problem() !== undefined) degraded.push('events');
      if (!agentThere) degraded.push('agent');
      if (!guardianThere) degraded.push('guardian');
      if (!inferenceThere) degraded.push('inference');
      return {
        status: degraded.length === 0 ? 'healthy' : 'degraded',
        timestamp: timestampFromMs(Date.now()),
        ollamaAvailable: ollamaThere,
        degraded,
        inference: backend.kind,
        problem: problem(),
      };
    },
    serving: async () => problem() === undefined && (await nats()),
  };
}
