import { create, fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { faultPoint } from '../fault.ts';
import { ReportOutcome, ReportRequestSchema, ReportResponseSchema, RequestedStop, type ReportResponse } from '../gen/aiforge/v1/worker_pb.ts';
import type { Logger } from '../logger.ts';
import { backOffMs, NoAnswer, type Link } from './link.ts';
import type { AttemptSpool, SpooledReport } from './spool.ts';

export type ReportBody = NonNullable<MessageInitShape<typeof ReportRequestSchema>['body']>;

/** How an attempt's reporting ended. `unsent`: this process stops; what is spooled goes out at the next start. */
export type ReportEnd = 'accepted' | 'refused' | 'unsent';

/** A broken connection, or a gateway that starts, ends the wait sooner. */
const answerMs = 5_000;

/**
 * Reports of one attempt: numbered 1, 2, 3 …, spooled, then sent one at a time, each again and again until answered.
 */
export interface Reporter {
  /** @returns when the report is in the spool */
  send(body: ReportBody): Promise<void>;
  /** Sends the last report of the attempt. @param logLines number of the last line of its log */
  finish(body: ReportBody, logLines?: number): Promise<ReportEnd>;
  /** Resolves when the terminal report was answered, a report was refused, or the worker stops. */
  readonly ended: Promise<ReportEnd>;
  /** Drops what was not sent: the attempt is someone else's. */
  abandon(): void;
}

export interface ReporterOptions {
  link: Link;
  bootId: string;
  spool: AttemptSpool;
  logger: Logger;
  /** Of an earlier process, to be sent first. */
  earlier?: { reports: SpooledReport[]; acknowledged: number };
  onRequested?(requested: RequestedStop): void;
  onRefused?(reason: string): void;
}

export function createReporter(options: ReporterOptions): Reporter {
  const { link, bootId, spool, logger } = options;
  const { taskId, attempt } = spool.ref;
  const reports: SpooledReport[] = [...(options.earlier?.reports ?? [])];
  let sent = options.earlier?.acknowledged ?? 0;
  let spooling = Promise.resolve();
  let pumping = false;
  let over = false;
  const { promise: ended, resolve } = Promise.withResolvers<ReportEnd>();
  const giveUp = new AbortController();

  const end = (how: ReportEnd): void => {
    over = true;
    link.stopped.removeEventListener('abort', onStop);
    giveUp.abort();
    resolve(how);
  };
  const onStop = (): void => void spooling.then(() => end('unsent'));
  link.stopped.addEventListener('abort', onStop);

  function enqueue(body: ReportBody, logLines = 0): Promise<void> {
    const number = (reports.at(-1)?.number ?? 0) + 1;
    const terminal = body.case !== 'phase' && body.case !== 'checkpoint';
    const request = create(ReportRequestSchema, { bootId, taskId, attempt, number: BigInt(number), body, logLines: BigInt(logLines) });
    const report = { number, terminal, bytes: toBinary(ReportRequestSchema, request) };
    reports.push(report);
    spooling = spooling
      .then(() => spool.append(report))
      // A full disk must not keep the report from being sent while this process lives.
      .catch((error: unknown) => logger.error('could not spool a report', { taskId, attempt, number, error }));
    const spooled = spooling;
    void spooled.then(pump);
    return spooled;
  }

  async function pump(): Promise<void> {
    if (pumping) return;
    pumping = true;
    try {
      let tries = 0;
      while (!over && !link.stopped.aborted) {
        const report = reports.find((candidate) => candidate.number > sent);
        if (report === undefined) return;
        const { nudges: seen, renewals } = link;
        const response = await deliver(report);
        if (over) return;
        if (response !== undefined && settle(report, response)) {
          tries = 0;
        } else if (link.renewals !== renewals) {
          tries = 0;
        } else {
          tries += 1;
          // A nudge that came while waiting for the answer means that trying again at once makes sense.
          if (link.nudges === seen || tries > 3) await link.nudged(backOffMs(tries), giveUp.signal);
        }
      }
    } finally {
      pumping = false;
    }
  }

  async function deliver(report: SpooledReport): Promise<ReportResponse | undefined> {
    try {
      faultPoint('agent.report.before');
      const data = await link.request(`work.report.${link.workerId}`, report.bytes, answerMs, giveUp.signal);
      faultPoint('agent.report.after');
      return fromBinary(ReportResponseSchema, data);
    } catch (error) {
      if (!(error instanceof NoAnswer)) logger.warn('an answer to a report could not be read', { taskId, attempt, error });
      return undefined;
    }
  }

  /** @returns whether the report is dealt with */
  function settle(report: SpooledReport, response: ReportResponse): boolean {
    switch (response.outcome) {
      case ReportOutcome.ACCEPTED:
      case ReportOutcome.DUPLICATE:
        sent = report.number;
        void spool.acknowledge(sent).catch((error: unknown) => logger.warn('could not note an answer', { taskId, attempt, error }));
        if (report.terminal) end('accepted');
        else if (response.requested !== RequestedStop.UNSPECIFIED) options.onRequested?.(response.requested);
        return true;
      case ReportOutcome.GAP:
        // Repeated reports are no-ops, so going back to the first one fills any gap.
        logger.warn('a gateway lacks earlier reports; they are sent again', { taskId, attempt, number: report.number, reason: response.reason });
        sent = 0;
        return false;
      case ReportOutcome.REFUSED:
        logger.warn('a report was refused: the attempt is over', { taskId, attempt, number: report.number, reason: response.reason });
        end('refused');
        options.onRefused?.(response.reason);
        return true;
      default:
        return false;
    }
  }

  if (reports.length > 0) void pump();
  return {
    send: (body) => enqueue(body),
    async finish(body, logLines) {
      await enqueue(body, logLines);
      if (link.stopped.aborted) end('unsent');
      return ended;
    },
    ended,
    abandon: () => end('refused'),
  };
}
