import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { Aggregate } from '../../core/aggregate.ts';
import { agentAggregate } from '../../core/agent/agent.ts';
import { baseModelAggregate } from '../../core/base-model/base-model.ts';
import { fileAggregate } from '../../core/file/file.ts';
import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import { reservationAggregate } from '../../core/idempotency/reservation.ts';
import { silentLogger } from '../../core/logger.ts';
import { modelAggregate } from '../../core/model/model.ts';
import { pipelineAggregate } from '../../core/pipeline/pipeline.ts';
import { projectAggregate } from '../../core/project/project.ts';
import { isReadable, type EventStore, type StoredEnvelope } from '../../core/store/event-store.ts';
import { Ledger } from '../../core/store/ledger.ts';
import type { Task } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { checkAttempts } from './check-attempts.ts';
import type { Told } from './job-client.ts';

const aggregates = [taskAggregate, modelAggregate, reservationAggregate, baseModelAggregate, projectAggregate, pipelineAggregate, fileAggregate, agentAggregate] as unknown as Aggregate<unknown, unknown>[];

/** Everything that the stream holds now. */
export async function readHistory(store: EventStore): Promise<StoredEnvelope[]> {
  const end = await store.lastSequence();
  const history: StoredEnvelope[] = [];
  const abort = new AbortController();
  if (end === 0) return history;
  for await (const stored of store.subscribe(0, abort.signal)) {
    if (!isReadable(stored)) throw new Error(`message ${stored.sequence} is no envelope: ${stored.problem}`);
    history.push(stored);
    if (stored.sequence >= end) break;
  }
  abort.abort();
  return history;
}

/**
 * Whether the promises hold: looks only at the stream and at what the client was told.
 * @param listed the jobs of `GET /v1/fine-tune`, all pages
 * @returns what is wrong, as sentences; empty when all is well
 */
export async function checkStream(history: readonly StoredEnvelope[], told: Told, listed: readonly unknown[]): Promise<string[]> {
  const problems = [...told.oddities, ...checkChain(history), ...checkAdmission(history), ...checkAttempts(history), ...checkFeeds(history, told)];
  const jobs = new Map<string, Task>();
  const ledger = await rebuild(history);
  for (const [id, state] of ledger.all(taskAggregate)) if (state.status !== 'none' && state.kind === TaskKind.TRAIN) jobs.set(id, state);
  if (ledger.rejected > 0) problems.push(`a ledger rebuilt from nothing rejects ${ledger.rejected} envelopes`);
  await ledger.stop();

  const acknowledged = [...told.acknowledged.values()];
  if (new Set(acknowledged).size !== acknowledged.length) problems.push('one job was given to two keys');
  for (const jobId of acknowledged) {
    const job = jobs.get(jobId);
    if (job === undefined) problems.push(`${jobId} was acknowledged and is not in the stream`);
    else if (job.status !== 'completed') problems.push(`${jobId} was acknowledged and is ${job.status}, not completed`);
  }
  for (const id of jobs.keys()) if (!acknowledged.includes(id)) problems.push(`${id} is in the stream and nobody was told of it: something was submitted twice`);

  const expected = [...jobs.values()].reverse().map(asListed);
  // What a job may take is an estimate, and tells nothing of what happened.
  const plain = (listed as Record<string, unknown>[]).map(({ memory_estimate: _estimate, ...rest }) => rest);
  if (!isDeepStrictEqual(plain, expected)) problems.push(`the list differs from a ledger rebuilt from nothing:\n  listed  ${JSON.stringify(listed)}\n  rebuilt ${JSON.stringify(expected)}`);
  return problems;
}

/** Sequences without a gap, and each envelope names the hash of the one before it in its aggregate. */
export function checkChain(history: readonly StoredEnvelope[]): string[] {
  const problems: string[] = [];
  const heads = new Map<string, string>();
  const commands = new Set<string>();
  history.forEach(({ sequence, aggregate, id, bytes, envelope }, index) => {
    const key = `${aggregate} ${id}`;
    if (sequence !== index + 1) problems.push(`sequence ${sequence} stands where ${index + 1} should`);
    if (envelope.aggregate !== aggregate || envelope.id !== id) problems.push(`${sequence}: names another aggregate than its subject`);
    if (Buffer.from(envelope.previousSha256).toString('hex') !== (heads.get(key) ?? '')) problems.push(`${sequence}: the hash chain of ${key} is broken`);
    heads.set(key, createHash('sha256').update(bytes).digest('hex'));
    const command = `${key} ${envelope.commandId}`;
    if (commands.has(command)) problems.push(`${sequence}: command ${envelope.commandId} was carried out twice on ${key}`);
    commands.add(command);
  });
  return problems;
}

/** Every event may follow the one before it. */
export function checkAdmission(history: readonly StoredEnvelope[]): string[] {
  const problems: string[] = [];
  const states = new Map<string, unknown>();
  for (const { sequence, aggregate: name, id, envelope } of history) {
    const aggregate = aggregates.find((candidate) => candidate.name === name);
    if (aggregate === undefined) {
      problems.push(`${sequence}: no such aggregate: ${name}`);
      continue;
    }
    let state = states.get(`${name} ${id}`) ?? aggregate.initialState;
    for (const event of envelope.events) {
      const problem = aggregate.admit(state, event);
      if (problem !== undefined) problems.push(`${sequence}: ${id}: ${problem}`);
      else state = aggregate.evolve(state, event, { id, time: timestampMs(envelope.time!), sequence });
    }
    states.set(`${name} ${id}`, state);
  }
  return problems;
}

/** A watcher saw each of its job's events once and in order, however often it had to connect. */
export function checkFeeds(history: readonly StoredEnvelope[], told: Pick<Told, 'feeds'>): string[] {
  const problems: string[] = [];
  for (const [jobId, messages] of told.feeds) {
    const cursors = messages.map((message) => message.cursor);
    if (new Set(cursors).size !== cursors.length) problems.push(`the feed of ${jobId} brought a message twice`);
    const seen = messages.filter((message) => message.type === 'state').map((message) => Number(message.cursor.split('-')[0]));
    const there = history.filter((stored) => stored.aggregate === 'task' && stored.id === jobId).map((stored) => stored.sequence);
    if (!isDeepStrictEqual(seen, there)) problems.push(`the feed of ${jobId} brought events ${seen.join(' ')}, the stream holds ${there.join(' ')}`);
  }
  return problems;
}

async function rebuild(history: readonly StoredEnvelope[]): Promise<Ledger> {
  const refuse = (): never => {
    throw new Error('history can only be read');
  };
  const store: EventStore = {
    append: refuse,
    readAggregate: refuse,
    lastSequence: async () => history.at(-1)?.sequence ?? 0,
    async *subscribe(after, signal) {
      for (const stored of history) if (stored.sequence > after) yield stored;
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    },
  };
  const ledger = new Ledger({ store, aggregates: aggregates as never, logger: silentLogger });
  await ledger.start();
  return ledger;
}

/** A job that has ended, as the reference's JSON has it: written from its state, not by the gateway's code. */
function asListed(job: Task): Record<string, unknown> {
  const time = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z');
  const result = job.status === 'completed' && job.result.kind.case === 'train' ? job.result.kind.value : undefined;
  const batch = job.microBatch ?? (job.spec.kind.case === 'train' ? job.spec.kind.value.hyperparameters : undefined);
  return {
    job_id: job.id,
    status: job.status,
    progress: 100,
    current_epoch: Math.ceil(result?.epochs ?? NaN),
    current_step: Number(result?.steps),
    loss: result?.finalLoss,
    created_at: time(job.createdAt),
    updated_at: time(job.updatedAt),
    attempt: job.ended.at(-1)?.number,
    project_name: job.project,
    // As in JSON: what is not known is not there.
    ...(batch?.batchSize === undefined ? {} : { batch_size: batch.batchSize }),
    ...(batch?.gradientAccumulation === undefined ? {} : { gradient_accumulation: batch.gradientAccumulation }),
  };
}
