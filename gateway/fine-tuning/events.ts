import type { JsonObject, MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import type { FineTuningEventSchema, ListFineTuningEventsRequest } from '../../core/gen/aiforge/v1/fine_tuning_pb.ts';
import type { WatchJobResponse } from '../../core/gen/aiforge/v1/job_pb.ts';
import { envelopeTime } from '../../core/store/envelope.ts';
import { isReadable, type StoredEnvelope } from '../../core/store/event-store.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { checkLimit, cursorPage } from '../cursor-page.ts';
import { describeEvent } from '../feed/describe-event.ts';
import { findJob } from '../jobs/query.ts';
import type { FineTuningDeps } from './deps.ts';

type EventView = MessageInitShape<typeof FineTuningEventSchema>;
type Timed = { time: number; view: EventView };

/** What is done for a job beside its training, and how events call it. */
const besides = { extract: 'dataset', export: 'export', deploy: 'deployment' } as const;

/** Newest first: the job's states and metrics, and the states of what is done before and after the training. */
export async function listFineTuningEvents(deps: FineTuningDeps, request: ListFineTuningEventsRequest): Promise<{ events: EventView[]; hasMore: boolean }> {
  const limit = checkLimit(request.limit, { standard: 20, most: 100 });
  const job = await findJob(deps.ledger, request.id);
  let events = (await deps.feeds.past(job.id)).flatMap((message) => fromFeed(job.id, message));
  for (const [kind, name] of Object.entries(besides)) events = mergeByTime(events, await eventsOf(deps, `${job.id}.${kind}`, name));
  const page = cursorPage(events.reverse(), { after: request.after, limit }, ({ view }) => view.id!);
  return { events: page.items.map(({ view }) => view), hasMore: page.hasMore };
}

function fromFeed(jobId: string, message: WatchJobResponse): Timed[] {
  const time = message.time === undefined ? 0 : timestampMs(message.time);
  const id = `ftevent-${jobId}-${message.cursor}`;
  const createdAt = timestampFromMs(time);
  if (message.type !== 'metrics') {
    if (message.message === undefined || message.message === '') return [];
    return [{ time, view: { id, createdAt, level: message.type === 'gap' ? 'warn' : levelOf(message.message), message: message.message, type: 'message' } }];
  }
  const data = measuredOf(message);
  return [{ time, view: { id, createdAt, level: 'info', message: describeMetrics(message), type: 'metrics', data } }];
}

/** Only what was measured, by OpenAI's names where there are any. */
function measuredOf(message: WatchJobResponse): JsonObject {
  const { step, totalSteps, loss, heldoutLoss, epoch, learningRate, gradNorm, tokensPerSecond } = message;
  const values = {
    step: step === undefined ? undefined : Number(step),
    total_steps: totalSteps === undefined ? undefined : Number(totalSteps),
    train_loss: loss,
    full_valid_loss: heldoutLoss,
    epoch,
    learning_rate: learningRate,
    grad_norm: gradNorm,
    tokens_per_second: tokensPerSecond,
  };
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as JsonObject;
}

function describeMetrics({ step, totalSteps, loss, heldoutLoss, message }: WatchJobResponse): string {
  const place = step === undefined ? '' : `Step ${step}${totalSteps === undefined ? '' : `/${totalSteps}`}`;
  const said = [loss === undefined ? '' : `training loss=${loss.toFixed(4)}`, heldoutLoss === undefined ? '' : `validation loss=${heldoutLoss.toFixed(4)}`, message ?? ''].filter((part) => part !== '');
  return [place, said.join(', ')].filter((part) => part !== '').join(': ');
}

async function eventsOf({ store, ledger }: FineTuningDeps, taskId: string, name: string): Promise<Timed[]> {
  const found: Timed[] = [];
  if (ledger.head(taskAggregate, taskId).version === 0) return found;
  for await (const stored of store.readAggregate(taskAggregate.name, taskId, 0)) {
    const text = isReadable(stored) ? describe(stored) : '';
    if (!isReadable(stored) || text === '') continue;
    const time = envelopeTime(stored.envelope);
    found.push({ time, view: { id: `ftevent-${taskId}-${stored.sequence}`, createdAt: timestampFromMs(time), level: levelOf(text), message: `${name}: ${text}`, type: 'message' } });
  }
  return found;
}

function describe({ envelope }: StoredEnvelope): string {
  return envelope.events.map(describeEvent).filter((text) => text !== undefined).join('; ');
}

function levelOf(text: string): string {
  if (/(^|; )failed: /.test(text)) return 'error';
  return / ended: /.test(text) ? 'warn' : 'info';
}

/** Keeps each list's own order. */
function mergeByTime(first: readonly Timed[], second: readonly Timed[]): Timed[] {
  const merged: Timed[] = [];
  let next = 0;
  for (const event of first) {
    while (next < second.length && second[next]!.time < event.time) merged.push(second[next++]!);
    merged.push(event);
  }
  return [...merged, ...second.slice(next)];
}
