import { setTimeout } from 'node:timers/promises';
import { ForgeError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { backOffMs } from '../../worker/link.ts';

/** The gateway does not answer, or not now: trying again makes sense. */
export class Away extends ForgeError {
  constructor(message: string, cause?: unknown) {
    super('unavailable', message, { cause });
    this.name = 'Away';
  }
}

export interface PatienceOptions {
  /** How long the gateway may be away without anything getting through; Infinity: as long as the signal lets it. */
  patienceMs: number;
  signal?: AbortSignal | undefined;
  /** Hears of the first try that failed, and of every so many after it. */
  logger?: Pick<Logger, 'warn'> | undefined;
}

/** About a minute of tries. */
const logEvery = 30;

/** For one transfer: how often and how long it is tried again. */
export interface Patience {
  /** Something got through: the count begins anew. */
  progressed(): void;
  /** Waits before the next try. @throws the error, where it is of no use to try again, or was tried for long enough; ForgeError cancelled */
  pause(error: unknown): Promise<void>;
}

export function createPatience({ patienceMs, signal, logger }: PatienceOptions): Patience {
  let tries = 0;
  let failed = 0;
  let since = performance.now();
  return {
    progressed() {
      tries = 0;
      since = performance.now();
    },
    async pause(error) {
      if (signal?.aborted) throw givenUp(error);
      if (!(error instanceof Away) || performance.now() - since > patienceMs) throw error;
      if (failed++ % logEvery === 0) logger?.warn('the transfer of a blob is tried again', { failed, error: error.message });
      await setTimeout(backOffMs(tries++), undefined, { signal }).catch(() => {
        throw givenUp(error);
      });
    },
  };
}

function givenUp(cause: unknown): ForgeError {
  return new ForgeError('cancelled', 'the transfer of a blob was given up', { cause });
}
