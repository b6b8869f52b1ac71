import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { ForgeError, invalid } from '../../core/errors.ts';
import type { JobLogLineSchema, ListJobLogsRequest, ListJobLogsResponseSchema } from '../../core/gen/aiforge/v1/job_pb.ts';
import { attemptsOf, findLogged, outcomeNames, type LogAttempt } from './attempts.ts';
import type { JobLogsDeps } from './job-logs.ts';
import type { LogLine } from './lines.ts';
import { readAttempt } from './read.ts';

const maxLines = 1_000;
/** Of one answer, so that it stays below what clients of gRPC take by default (4 MiB). */
const maxBytes = 2 << 20;

/** Lines of one attempt's log, by number or from its end. @throws ForgeError not_found, invalid_argument, unavailable */
export async function listLogs(deps: JobLogsDeps, request: ListJobLogsRequest): Promise<MessageInitShape<typeof ListJobLogsResponseSchema>> {
  const { jobId, after, tail, pageSize = 100 } = request;
  if (after !== undefined && tail !== undefined) throw invalid('tail', 'give either after or tail, not both');
  if (pageSize < 1 || pageSize > maxLines) throw invalid('page_size', `must be from 1 to ${maxLines}, not ${pageSize}`);
  if (tail !== undefined && (tail < 1 || tail > maxLines)) throw invalid('tail', `must be from 1 to ${maxLines}, not ${tail}`);
  const task = await findLogged(deps.ledger, jobId, request.kind);
  const attempts = attemptsOf(task);
  const attempt = request.attempt === undefined ? attempts.at(-1) : attempts.find(({ number }) => number === request.attempt);
  if (attempt === undefined && request.attempt !== undefined) throw new ForgeError('not_found', `attempt: ${task.id} has no attempt ${request.attempt}${attempts.length === 0 ? '' : `; it had ${attempts.length}`}`, { field: 'attempt' });

  const chosen = tail === undefined ? new Page(Number(after ?? 0n), pageSize) : new Tail(tail);
  let last = 0;
  if (attempt !== undefined) {
    for await (const line of readAttempt(deps, task, attempt)) {
      last = line.number;
      chosen.add(line);
    }
  }
  return { jobId, attempt: attempt?.number ?? 0, lines: chosen.lines.map(viewLine), lastLine: BigInt(attempt?.ended === undefined ? last : Math.max(last, attempt.ended.logLines)), complete: attempt?.ended !== undefined, attempts: attempts.map(viewAttempt) };
}

export function viewLine({ number, time, text }: LogLine): MessageInitShape<typeof JobLogLineSchema> {
  return { number: BigInt(number), time: timestampFromMs(time), text };
}

function viewAttempt({ number, workerId, ended }: LogAttempt) {
  return { attempt: number, agentId: workerId, outcome: ended === undefined ? 'running' : outcomeNames[ended.outcome], code: ended?.code ?? '', reason: ended?.reason ?? '' };
}

/** The first lines after a number. */
class Page {
  readonly lines: LogLine[] = [];
  #bytes = 0;
  readonly #after: number;
  readonly #size: number;

  constructor(after: number, size: number) {
    this.#after = after;
    this.#size = size;
  }

  add(line: LogLine): void {
    if (line.number <= this.#after || this.lines.length >= this.#size || this.#bytes >= maxBytes) return;
    this.lines.push(line);
    this.#bytes += Buffer.byteLength(line.text);
  }
}

/** The last lines. */
class Tail {
  readonly lines: LogLine[] = [];
  #bytes = 0;
  readonly #size: number;

  constructor(size: number) {
    this.#size = size;
  }

  add(line: LogLine): void {
    this.lines.push(line);
    this.#bytes += Buffer.byteLength(line.text);
    while (this.lines.length > this.#size || (this.#bytes > maxBytes && this.lines.length > 1)) this.#bytes -= Buffer.byteLength(this.lines.shift()!.text);
  }
}
