import { once } from 'node:events';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { invalid } from '../../core/errors.ts';
import type { WatchJobLogsRequest, WatchJobLogsResponseSchema } from '../../core/gen/aiforge/v1/job_pb.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { isTerminal, type Task } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { attemptsOf, findLogged, type LogAttempt } from './attempts.ts';
import type { JobLogsDeps } from './job-logs.ts';
import { linesOf, type LogLine } from './lines.ts';
import { viewLine } from './list.ts';
import { readAttempt } from './read.ts';

/**
 * All lines after a cursor, attempt after attempt, then live, until the task has ended. Of an attempt that ends meanwhile
 * the rest comes from what was stored at its end, so that each line comes once.
 * @throws ForgeError not_found, invalid_argument, unavailable
 */
export async function* watchLogs(deps: JobLogsDeps, request: WatchJobLogsRequest, signal: AbortSignal): AsyncGenerator<MessageInitShape<typeof WatchJobLogsResponseSchema>> {
  const { ledger } = deps;
  let { attempt: at, number } = parseCursor(request.after);
  const { id } = await findLogged(ledger, request.jobId, request.kind);
  while (!signal.aborted) {
    const changed = nextChange(ledger, id, signal);
    try {
      const task = ledger.head(taskAggregate, id).state as Task;
      const attempt = attemptsOf(task).find((one) => one.number >= at);
      if (attempt === undefined) {
        if (isTerminal(task)) return;
        await changed.promise;
        continue;
      }
      if (attempt.number > at) [at, number] = [attempt.number, 0];
      const lines = attempt.ended === undefined ? liveLines(deps, task, attempt, number, signal) : readAttempt(deps, task, attempt);
      for await (const line of lines) {
        if (line.number <= number) continue;
        number = line.number;
        yield { cursor: `${at}-${number}`, attempt: at, line: viewLine(line) };
        if (signal.aborted) return;
      }
      if (attempt.ended !== undefined) [at, number] = [at + 1, 0];
    } finally {
      changed.stop();
    }
  }
}

/** Lines of an attempt as they come, until it is over. */
async function* liveLines({ ledger, telemetry }: JobLogsDeps, task: Task, { number, workerId }: LogAttempt, after: number, signal: AbortSignal): AsyncGenerator<LogLine> {
  const over = new AbortController();
  const look = (): void => {
    const { state } = ledger.head(taskAggregate, task.id);
    if (state.status !== 'running' || state.attempt.number !== number) over.abort();
  };
  const stop = ledger.onApplied(({ stored }) => {
    if (stored.aggregate === taskAggregate.name && stored.id === task.id) look();
  });
  try {
    look();
    let last = after;
    const messages = telemetry.readAttempt({ taskId: task.id, workerId, number }, AbortSignal.any([over.signal, signal]), () => {});
    let counted = 0;
    for await (const { telemetry: message } of messages) {
      for (const line of linesOf(message, counted)) {
        counted = line.number;
        if (line.number <= last) continue;
        last = line.number;
        yield line;
      }
    }
  } finally {
    stop();
  }
}

/** Resolves at the task's next event, or when the signal aborts. */
function nextChange(ledger: Ledger, taskId: string, signal: AbortSignal): { promise: Promise<void>; stop(): void } {
  const events = new EventTarget();
  const ended = new AbortController();
  const promise = once(events, 'changed', { signal: AbortSignal.any([signal, ended.signal]) }).then(() => {}, () => {});
  const stopListening = ledger.onApplied(({ stored }) => {
    if (stored.aggregate === taskAggregate.name && stored.id === taskId) events.dispatchEvent(new Event('changed'));
  });
  return {
    promise,
    stop() {
      stopListening();
      ended.abort();
    },
  };
}

/** `2-40`: attempt and line of the last that was seen. @throws ForgeError invalid_argument */
function parseCursor(text: string): { attempt: number; number: number } {
  if (text === '') return { attempt: 1, number: 0 };
  const match = /^(\d{1,9})-(\d{1,15})$/.exec(text);
  if (match === null) throw invalid('after', 'must be the cursor of a line of this log, such as 1-40');
  return { attempt: Number(match[1]), number: Number(match[2]) };
}
