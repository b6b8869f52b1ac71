import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { invalid } from '../../core/errors.ts';
import { JobStatus, type WatchJobResponse } from '../../core/gen/aiforge/v1/job_pb.ts';
import type { WatchRetrainResponseSchema } from '../../core/gen/aiforge/v1/retrain_pb.ts';
import { currentStep, initialState, isOver, type Pipeline, type PipelineState } from '../../core/pipeline/state.ts';
import { findPipeline } from '../../core/pipeline/find.ts';
import { pipelineAggregate } from '../../core/pipeline/pipeline.ts';
import { wirePipelineStatus } from '../../core/pipeline/wire-status.ts';
import { envelopeTime } from '../../core/store/envelope.ts';
import { isReadable, type EventStore, type StoredEnvelope } from '../../core/store/event-store.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { describePipelineEvent } from './describe-event.ts';
import { foldAdmitted } from './fold-admitted.ts';
import { trainingJob } from './view.ts';

type Message = MessageInitShape<typeof WatchRetrainResponseSchema>;

export interface PipelineWatchDeps {
  ledger: Ledger;
  store: EventStore;
  /** The feed of a job: `createFeeds().watch`. */
  watchJob(jobId: string, after: string, signal: AbortSignal): AsyncIterable<WatchJobResponse>;
}

/**
 * A pipeline's feed: its own events, and between the begin and the end of its training the metrics of the job. A cursor
 * is the sequence of the last event and, after a dot, the job's own cursor; each source is in order by itself.
 * @throws ForgeError not_found, invalid_argument (cursor)
 */
export async function* watchPipeline({ ledger, store, watchJob }: PipelineWatchDeps, id: string, after: string, signal: AbortSignal): AsyncIterable<Message> {
  const start = parseCursor(after);
  await findPipeline(ledger, id);
  const done = new AbortController();
  const ends = AbortSignal.any([signal, done.signal]);
  const events = followEvents(ledger, store, id, ends);
  let state: PipelineState = initialState;
  let sequence = start.sequence;
  let jobCursor = start.job;
  let job: { id: string; metrics: AsyncIterator<WatchJobResponse>; next: Promise<IteratorResult<WatchJobResponse>>; leave: () => void } | undefined;
  let ended = '';

  const about = (pipeline: Pipeline): Message => ({ status: wirePipelineStatus(pipeline), currentStep: isOver(pipeline) ? undefined : currentStep(pipeline)?.name, trainingJobId: trainingJob(pipeline) });
  const cursor = (): string => (jobCursor === '' ? String(sequence) : `${sequence}.${jobCursor}`);
  /** @returns the metrics as they are shown; nothing for the job's states, which the pipeline tells itself */
  const shown = (message: WatchJobResponse): Message | undefined => {
    jobCursor = message.cursor;
    if (message.type === 'state') return undefined;
    const { $typeName: _name, $unknown: _unknown, cursor: _cursor, status: _status, ...fields } = message;
    return { ...fields, ...about(state as Pipeline), cursor: cursor() };
  };
  /** Begins with the job's feed where the training runs. */
  const follow = (): void => {
    const step = state.status === 'none' ? undefined : currentStep(state);
    if (step?.name !== 'train' || step.status !== 'running' || job !== undefined || (ended === step.taskId && step.try === 1)) return;
    const left = new AbortController();
    const metrics = watchJob(step.taskId, jobCursor, AbortSignal.any([ends, left.signal]))[Symbol.asyncIterator]();
    job = { id: step.taskId, metrics, next: metrics.next(), leave: () => left.abort() };
    job.next.catch(() => {});
  };
  const leave = (): void => {
    ended = job?.id ?? ended;
    job?.leave();
    job = undefined;
  };
  /** The job's next message. A job that failed may be tried again: what comes after that belongs to the step's next try. */
  const take = async (from: NonNullable<typeof job>): Promise<Message | undefined> => {
    const { value, done: over } = await from.next;
    if (over === true || (value.type === 'state' && value.status === JobStatus.FAILED)) leave();
    if (over === true) return undefined;
    if (job !== undefined) {
      from.next = from.metrics.next();
      from.next.catch(() => {});
    }
    return shown(value);
  };

  try {
    for (;;) {
      const stored = events.shift();
      if (stored === undefined) {
        if (isOver(state) || signal.aborted) return;
        const first = await Promise.race([events.available().then(() => 'event' as const), ...(job === undefined ? [] : [job.next.then(() => 'metrics' as const)])]);
        if (first === 'event' || job === undefined) continue;
        const message = await take(job);
        if (message !== undefined) yield message;
        continue;
      }
      const isNew = stored.sequence > start.sequence;
      // The place that it goes on from may lie within a training.
      if (isNew && sequence === start.sequence) follow();
      const next = foldAdmitted(pipelineAggregate, state, stored);
      if (next === undefined) continue;
      if (endsTraining(stored)) {
        // What was measured before the training's end belongs before it; what was shown already is not to be shown again.
        while (isNew && job !== undefined) {
          const message = await take(job);
          if (message !== undefined) yield message;
        }
        leave();
      }
      state = next;
      if (isNew) {
        sequence = stored.sequence;
        const message = stored.envelope.events.map(describePipelineEvent).filter((text) => text !== undefined).join('; ');
        yield { ...about(state as Pipeline), type: 'state', time: timestampFromMs(envelopeTime(stored.envelope)), cursor: cursor(), message };
      }
      if (stored.sequence >= start.sequence) follow();
    }
  } finally {
    done.abort();
    events.stop();
    await job?.metrics.return?.();
  }
}

function endsTraining({ envelope }: StoredEnvelope): boolean {
  return envelope.events.some(({ kind }) => ((kind.case === 'stepCompleted' || kind.case === 'stepFailed') && kind.value.step === 'train') || kind.case === 'pipelineCancelled' || kind.case === 'pipelineFailed');
}

/** The pipeline's envelopes in order: history first, then live. */
function followEvents(ledger: Ledger, store: EventStore, id: string, signal: AbortSignal) {
  const ready: StoredEnvelope[] = [];
  let last = 0;
  let wake = Promise.withResolvers<void>();
  const add = (stored: StoredEnvelope): void => {
    if (stored.sequence <= last) return;
    last = stored.sequence;
    ready.push(stored);
    wake.resolve();
  };
  // What comes while history is read waits.
  const waiting: StoredEnvelope[] = [];
  let live = false;
  const stopListening = ledger.onApplied(({ stored }) => {
    if (stored.aggregate !== pipelineAggregate.name || stored.id !== id) return;
    if (live) add(stored);
    else waiting.push(stored);
  });
  let failure: unknown;
  const history = (async () => {
    for await (const stored of store.readAggregate(pipelineAggregate.name, id, 0)) if (isReadable(stored)) add(stored);
    for (const stored of waiting) add(stored);
    live = true;
  })().catch((error: unknown) => {
    failure = error;
    wake.resolve();
  });
  void history;
  const onAbort = (): void => wake.resolve();
  signal.addEventListener('abort', onAbort, { once: true });
  return {
    shift: () => ready.shift(),
    async available(): Promise<void> {
      if (ready.length === 0 && !signal.aborted) {
        wake = Promise.withResolvers<void>();
        if (failure === undefined && ready.length === 0) await wake.promise;
      }
      if (failure !== undefined) throw failure;
    },
    stop: () => {
      stopListening();
      signal.removeEventListener('abort', onAbort);
      wake.resolve();
    },
  };
}

function parseCursor(text: string): { sequence: number; job: string } {
  if (text === '') return { sequence: 0, job: '' };
  const match = /^(\d{1,15})(?:\.(\d{1,15}-\d{1,9}-\d{1,15}-\d{1,9}))?$/.exec(text);
  if (match === null) throw invalid('after', 'must be the cursor of a message of this feed, such as 12 or 12.40-1-3-0');
  return { sequence: Number(match[1]), job: match[2] ?? '' };
}
