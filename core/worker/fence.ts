/**
 * Watches one attempt's claim on its task. Not confirmed for `fenceMs`, counted from when the answered beat was SENT
 * (the gateway's loss clock can't have started earlier), it is fenced: whoever runs it must stand still. A later
 * confirmation lets it go on. Times are monotonic milliseconds (`performance.now()`).
 */
export interface Fence {
  readonly fenced: boolean;
  confirm(sentAt: number): void;
  close(): void;
}

export function createFence(options: { fenceMs: number; sentAt: number; onFenced(): void; onConfirmed(): void }): Fence {
  let confirmedAt = options.sentAt;
  let fenced = false;
  let timer: NodeJS.Timeout | undefined;

  const watch = (): void => {
    clearTimeout(timer);
    timer = setTimeout(check, Math.max(1, confirmedAt + options.fenceMs - performance.now()));
  };
  const check = (): void => {
    // Timers may fire a little early.
    if (performance.now() < confirmedAt + options.fenceMs) return watch();
    fenced = true;
    options.onFenced();
  };
  watch();

  return {
    get fenced() {
      return fenced;
    },
    confirm(sentAt) {
      if (timer === undefined || sentAt <= confirmedAt) return;
      confirmedAt = sentAt;
      // An answer that is itself too old confirms nothing for the time that counts.
      if (performance.now() >= confirmedAt + options.fenceMs) return;
      watch();
      if (!fenced) return;
      fenced = false;
      options.onConfirmed();
    },
    close() {
      clearTimeout(timer);
      timer = undefined;
    },
  };
}
