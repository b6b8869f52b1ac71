import type { Logger } from '../logger.ts';
import type { Link } from './link.ts';
import { createReporter } from './report.ts';
import type { Spool, SpooledAttempt } from './spool.ts';

/**
 * Ends an attempt of an earlier process: sends what it spooled under its own boot id; where its end is not among
 * that, the attempt died with the process and is reported failed, `agent_restarted`, to be tried again.
 * @returns when its end was answered or this worker stops
 */
export async function replayAttempt(options: { link: Link; spool: Spool; left: SpooledAttempt; logger: Logger }): Promise<void> {
  const { link, left, logger } = options;
  const spool = await options.spool.reopen(left.ref);
  const reporter = createReporter({ link, bootId: left.bootId, spool, logger, earlier: left });
  const terminal = left.reports.find((report) => report.terminal);
  if (terminal !== undefined && terminal.number <= left.acknowledged) {
    reporter.abandon();
  } else if (terminal === undefined) {
    logger.warn('an attempt died with an earlier process of this worker', { ...left.ref });
    await reporter.finish({ case: 'failed', value: { code: 'agent_restarted', reason: 'the worker process died while it ran the attempt', retryable: true } });
  }
  if ((await reporter.ended) === 'unsent') await spool.close();
  else await spool.remove();
}
