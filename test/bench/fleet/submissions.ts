import { randomUUID } from 'node:crypto';
import { jetstream } from '@nats-io/jetstream';
import { create } from '@bufbuild/protobuf';
import { CreateFineTuneRequestSchema } from '../../../core/gen/aiforge/v1/job_pb.ts';
import { TaskKind, TaskSpecSchema } from '../../../core/gen/aiforge/v1/task_pb.ts';
import { createLogger } from '../../../core/logger.ts';
import { connectNats } from '../../../core/nats.ts';
import { encodeEnvelope } from '../../../core/store/envelope.ts';
import { createJetStreamStore, eventStream } from '../../../core/store/jetstream-store.ts';
import { Ledger } from '../../../core/store/ledger.ts';
import { taskAggregate } from '../../../core/task/task.ts';
import { trainSpecOf } from '../../../core/training/train-spec.ts';
import { median } from '../gateway/http1-load.ts';
import { startBenchNats } from './bench-nats.ts';
import type { Figure } from './figure.ts';
import { findNatsCli } from './nats-cli.ts';

const rounds = 3;
const roundMs = 3_000;

/**
 * Durable submissions a second, `inFlight` at a time, each one append that is decided, chained, and applied before it
 * counts, beside bare publishes of messages of the same size, each to a subject of its own at an expected sequence of
 * 0, to the same nats-server by the same client library; and beside `nats bench` with as many clients, each with one in
 * flight, where NATS's command line is on PATH.
 */
export async function* measureSubmissions(): AsyncIterable<Figure> {
  const natsCli = findNatsCli();
  const nats = await startBenchNats('always');
  const connection = await connectNats(nats.url, 'bench');
  try {
    const ledger = new Ledger({ store: await createJetStreamStore(connection), aggregates: [taskAggregate] as never, logger: createLogger('bench') });
    await ledger.start();
    const spec = create(TaskSpecSchema, { kind: { case: 'train', value: trainSpecOf(create(CreateFineTuneRequestSchema, { projectName: 'service' })) } });
    const command = { type: 'queue', kind: TaskKind.TRAIN, project: 'service', spec, after: '', maxAttempts: 5 } as const;
    const meta = () => ({ commandId: randomUUID(), actor: 'client', time: Date.now() });
    const submit = async (): Promise<void> => {
      const { version } = await ledger.execute(taskAggregate, `job_${randomUUID()}`, command, meta());
      // As a gateway does before it answers.
      await ledger.waitFor(version);
    };
    const client = jetstream(connection);
    const bytes = encodeEnvelope('task', `job_${randomUUID()}`, meta(), '', taskAggregate.decide(command, taskAggregate.initialState));
    const publish = async (): Promise<void> => {
      await client.publish(`forge.bare.${randomUUID()}`, bytes, { expect: { streamName: eventStream, lastSubjectSequence: 0 } });
    };
    for (const inFlight of [1, 16, 64]) {
      const [ours, bare, cli]: [number[], number[], number[]] = [[], [], []];
      for (const work of [submit, publish]) await perSecond(work, inFlight, 500);
      for (let round = 0; round < rounds; round++) {
        // Each goes first every other time.
        const turns = [[submit, ours], [publish, bare]] as const;
        for (const [work, results] of round % 2 === 0 ? turns : turns.toReversed()) results.push(await perSecond(work, inFlight, roundMs));
        if (natsCli !== undefined) cli.push(await natsCli.publish(nats.url, { clients: inFlight, bytes: bytes.length, messages: Math.ceil(bare.at(-1)! * (roundMs / 1_000)) }));
      }
      const shown = (values: number[]): string => Math.round(median(values)).toLocaleString('en');
      const beside = (values: number[]): number => median(ours) / median(values);
      const ratio = beside(natsCli === undefined ? bare : cli);
      const references = [...(natsCli === undefined ? [] : [`nats bench ${natsCli.version}: ${shown(cli)}/s`]), `bare nats.js publishes: ${shown(bare)}/s${natsCli === undefined ? '' : `, ${beside(bare).toFixed(2)} of that`}`];
      yield { what: `durable submissions of ${bytes.length} bytes, ${inFlight} in flight, sync_interval always`, measured: `${shown(ours)}/s; ${ratio.toFixed(2)}`, reference: references.join('; '), aim: '≥ 0.75', met: ratio >= 0.75 };
    }
    await ledger.stop();
  } finally {
    await connection.close();
    await nats.stop();
  }
}

async function perSecond(work: () => Promise<void>, inFlight: number, durationMs: number): Promise<number> {
  const from = performance.now();
  let done = 0;
  await Promise.all(Array.from({ length: inFlight }, async () => {
    while (performance.now() - from < durationMs) {
      await work();
      done++;
    }
  }));
  return done / ((performance.now() - from) / 1_000);
}
