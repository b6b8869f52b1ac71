import { stopReasons, type StopReason } from './task-runner.ts';

/** Gathers reasons to stop one attempt. An AbortSignal fires once, so a stronger reason that comes later has a signal of its own. */
export interface StopControl {
  readonly signal: AbortSignal;
  readonly urgent: AbortSignal;
  /** The strongest so far. */
  readonly reason: StopReason | undefined;
  /** A repeated or weaker reason changes nothing. */
  request(reason: StopReason): void;
}

export function createStopControl(): StopControl {
  const first = new AbortController();
  const urgent = new AbortController();
  let strongest: StopReason | undefined;
  return {
    signal: first.signal,
    urgent: urgent.signal,
    get reason() {
      return strongest;
    },
    request(reason) {
      if (strongest !== undefined && stopReasons.indexOf(reason) <= stopReasons.indexOf(strongest)) return;
      strongest = reason;
      first.abort(reason);
      if (reason === 'cancel' || reason === 'lost') urgent.abort(reason);
    },
  };
}
