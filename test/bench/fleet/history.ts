import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { Aggregate } from '../../../core/aggregate.ts';
import { CreateFineTuneRequestSchema } from '../../../core/gen/aiforge/v1/job_pb.ts';
import { ExtractSpecSchema, TaskKind, TaskSpecSchema, type TaskResultSchema, type TaskSpec } from '../../../core/gen/aiforge/v1/task_pb.ts';
import { ReportRequestSchema } from '../../../core/gen/aiforge/v1/worker_pb.ts';
import { reservationAggregate } from '../../../core/idempotency/reservation.ts';
import { encodeEnvelope, sha256Hex } from '../../../core/store/envelope.ts';
import type { TaskCommand } from '../../../core/task/commands.ts';
import { taskAggregate } from '../../../core/task/task.ts';
import { trainSpecOf } from '../../../core/training/train-spec.ts';

export interface Appended {
  aggregate: string;
  id: string;
  bytes: Uint8Array;
}

type Body = NonNullable<MessageInitShape<typeof ReportRequestSchema>['body']>;
type Result = NonNullable<MessageInitShape<typeof TaskResultSchema>['kind']>;

const project = 'service';
const bootId = '4b1f3c52-7a2e-4d0c-9a52-3a8f0e5d6c11';
const checkpoints = 20;
const startMs = Date.UTC(2026, 0, 1);

/** What one job leaves in the stream, its reservation and follow-ups with it. */
export const envelopesPerJob = 1 + 4 + 4 + checkpoints + 1 + 4 + 4;

/**
 * The envelopes of finished jobs, one after the other, as gateways would have appended them: decided by the
 * aggregates, chained by hashes, with digests where a real one has them.
 */
export function* history(jobs: number): IterableIterator<Appended> {
  const train = trainSpecOf(create(CreateFineTuneRequestSchema, { projectName: project }));
  for (let n = 0; n < jobs; n++) yield* job(n, train);
}

function* job(n: number, train: ReturnType<typeof trainSpecOf>): IterableIterator<Appended> {
  const jobId = `job_20260101_${String(n).padStart(6, '0')}`;
  const digest = (name: string): string => sha256Hex(`${jobId} ${name}`);
  let time = startMs + n * 60_000;
  const idempotencySha256 = digest('key');
  const writer = <State, Command>(aggregate: Aggregate<State, Command>, id: string, actor: string) => {
    let state = aggregate.initialState;
    let sha256 = '';
    let count = 0;
    return (command: Command): Appended => {
      const events = aggregate.decide(command, state);
      time += 1_000;
      const bytes = encodeEnvelope(aggregate.name, id, { commandId: `${id}-${++count}`, actor, time, idempotencySha256 }, sha256, events);
      sha256 = sha256Hex(bytes);
      for (const event of events) state = aggregate.evolve(state, event, { id, time, sequence: 0 });
      return { aggregate: aggregate.name, id, bytes };
    };
  };
  const reserve = writer(reservationAggregate, idempotencySha256, 'client');
  yield reserve({ type: 'reserve', bodySha256: digest('body'), jobId });

  function* task(id: string, kind: TaskKind, spec: TaskSpec, after: string, reports: Body[]): IterableIterator<Appended> {
    const write = writer<Parameters<typeof taskAggregate.decide>[1], TaskCommand>(taskAggregate, id, 'worker:gpu-host-1');
    yield write({ type: 'queue', kind, project, spec, after, maxAttempts: 5 });
    yield write({ type: 'start', workerId: 'gpu-host-1', bootId, slot: 'gpu0', askId: digest(`${id} ask`).slice(0, 36), secretSha256: Buffer.from(digest(`${id} secret`), 'hex') });
    for (const [index, body] of reports.entries()) {
      yield write({ type: 'report', workerId: 'gpu-host-1', report: create(ReportRequestSchema, { bootId, taskId: id, attempt: 1, number: BigInt(index + 1), body }) });
    }
  }
  const completed = (kind: Result): Body => ({ case: 'completed', value: { result: { kind } } });
  const phase = (name: string): Body => ({ case: 'phase', value: { phase: name, totalSteps: 1_000n } });

  const source = create(ExtractSpecSchema, { repository: '/srv/repositories/service', commit: digest('commit').slice(0, 40), seed: 0n, baseModel: train.baseModel });
  yield* task(`${jobId}.extract`, TaskKind.EXTRACT, create(TaskSpecSchema, { kind: { case: 'extract', value: source } }), '', [
    phase('preparing'),
    completed({ case: 'extract', value: { datasetDigest: digest('dataset'), commit: source.commit, trainExamples: 8_200n, heldoutExamples: 410n, files: 640n, reportDigest: digest('report') } }),
  ]);
  yield* task(jobId, TaskKind.TRAIN, create(TaskSpecSchema, { kind: { case: 'train', value: { ...train, source: { case: 'extract', value: source } } } }), `${jobId}.extract`, [
    phase('preparing'),
    phase('training'),
    ...Array.from({ length: checkpoints }, (_, c): Body => ({ case: 'checkpoint', value: { step: BigInt(c + 1) * 50n, epoch: (c + 1) * 0.15, loss: 2 / (c + 1), digest: digest(`checkpoint ${c}`), seconds: 1.5, telemetry: BigInt(c + 1) * 40n } })),
    completed({
      case: 'train',
      value: {
        adapterDigest: digest('adapter'), finalLoss: 0.1, heldoutLoss: 0.9, heldoutPerplexity: 2.46, heldoutTokens: 51_000n, steps: 1_000n, epochs: 3, tokensSeen: 9_100_000n, seconds: 1_800,
        lineage: { repository: source.repository, commit: source.commit, datasetDigest: digest('dataset'), baseModel: train.baseModel, revision: 'main', baseModelDigest: digest('base'), packageVersions: { torch: '2.15.0', transformers: '5.23.0', peft: '0.21.0', trl: '1.16.0' } },
      },
    }),
  ]);
  yield* task(`${jobId}.evaluate`, TaskKind.EVALUATE, create(TaskSpecSchema, { kind: { case: 'evaluate', value: { jobId } } }), jobId, [
    phase('evaluating'),
    completed({ case: 'evaluate', value: { loss: 0.9, perplexity: 2.46, baseLoss: 1.6, basePerplexity: 4.95, tokens: 51_000n, examples: 410n, margin: 0.5, marginInterval: { low: 0.48, high: 0.52, confidence: 0.95, samples: 1_000n }, reportDigest: digest('evaluation') } }),
  ]);
  yield* task(`${jobId}.export`, TaskKind.EXPORT, create(TaskSpecSchema, { kind: { case: 'export', value: { jobId, ggufQuantization: 'Q4_K_M' } } }), jobId, [
    phase('exporting'),
    completed({ case: 'export', value: { exportDigest: digest('export'), ggufDigest: digest('gguf'), ggufSize: 2_019_377_440n, quantization: 'Q4_K_M' } }),
  ]);
}
