import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { TaskKind } from '../../../core/gen/aiforge/v1/task_pb.ts';
import { BeatRequestSchema, BeatResponseSchema, BeatVerdict_Verdict } from '../../../core/gen/aiforge/v1/worker_pb.ts';
import { createLogger } from '../../../core/logger.ts';
import { connectNats } from '../../../core/nats.ts';
import { createJetStreamStore } from '../../../core/store/jetstream-store.ts';
import { Ledger } from '../../../core/store/ledger.ts';
import { taskAggregate } from '../../../core/task/task.ts';
import { gatewayPlace } from './bench-gateway.ts';
import { startBenchNats } from './bench-nats.ts';
import { percentile, shownMs, type Figure } from './figure.ts';
import { bootId, forEach, startTask } from './running-task.ts';

const beatMs = 5_000;
const beats = 4;

/** Agents that each run one attempt and beat every 5 s, spread over that time: what a gateway spends on it, and how late it answers. */
export async function* measureHeartbeats(agents: number): AsyncIterable<Figure> {
  const nats = await startBenchNats('always');
  const place = await gatewayPlace(nats.url);
  const gateway = await place.start();
  const connection = await connectNats(nats.url, 'bench');
  try {
    const ledger = new Ledger({ store: await createJetStreamStore(connection), aggregates: [taskAggregate] as never, logger: createLogger('bench') });
    await ledger.start();
    await forEach(agents, (n) => startTask(ledger, `job_beat_${n}`, `agent-${n}`));
    const sentAt = new Map<string, number>();
    const delays: number[] = [];
    connection.subscribe('_INBOX.*.beat.>', {
      callback(_error, message) {
        const from = sentAt.get(message.subject);
        if (from === undefined) return;
        const { verdicts } = fromBinary(BeatResponseSchema, message.data);
        if (verdicts[0]?.verdict !== BeatVerdict_Verdict.YOURS) throw new Error(`${message.subject} was not told that its attempt is its own`);
        delays.push(performance.now() - from);
      },
    });
    const beat = (n: number): void => {
      const reply = `_INBOX.agent-${n}.beat.${randomUUID()}`;
      const request = create(BeatRequestSchema, { bootId, info: { host: `host-${n}`, cpus: 32, slots: [{ name: 'cpu', kinds: [TaskKind.TRAIN] }] }, running: [{ taskId: `job_beat_${n}`, attempt: 1, slot: 'cpu' }] });
      sentAt.set(reply, performance.now());
      connection.publish(`work.beat.agent-${n}`, toBinary(BeatRequestSchema, request), { reply });
    };
    for (let n = 0; n < agents; n++) beat(n);
    await setTimeout(1_000);
    delays.length = 0;
    sentAt.clear();
    const [from, cpu] = [performance.now(), gateway.cpuMs()];
    for (let sent = 0; sent < agents * beats; ) {
      const due = Math.min(agents * beats, Math.floor(((performance.now() - from) / beatMs) * agents));
      while (sent < due) beat(sent++ % agents);
      await setTimeout(5);
    }
    const deadline = performance.now() + 10_000;
    while (delays.length < agents * beats && performance.now() < deadline) await setTimeout(5);
    const busy = (gateway.cpuMs() - cpu) / (performance.now() - from);
    yield {
      what: `heartbeats of ${agents.toLocaleString('en')} agents every ${beatMs / 1_000} s`,
      measured: `${(busy * 100).toFixed(1)} % of a core; answers p50 ${shownMs(percentile(delays, 0.5))}, p99 ${shownMs(percentile(delays, 0.99))}, largest ${shownMs(Math.max(...delays))}; ${delays.length} of ${agents * beats} answered`,
    };
    await ledger.stop();
  } finally {
    await gateway.stop();
    await connection.close();
    await place.remove();
    await nats.stop();
  }
}
