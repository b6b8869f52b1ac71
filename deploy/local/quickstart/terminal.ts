const plainEveryMs = 5_000;

export interface Terminal {
  /** A line that stays. */
  line(text: string): void;
  /** What happens right now: one line that changes on a terminal, a line now and then elsewhere. */
  live(text: string): void;
  /** Text as it comes, without a line's end. */
  raw(text: string): void;
  /** Runs work under a live line that counts the seconds. @returns its result */
  during<T>(text: string, work: Promise<T>): Promise<T>;
}

/** Progress for people: the same words on a terminal and in a log. */
export function createTerminal(out: NodeJS.WriteStream): Terminal {
  const tty = out.isTTY === true;
  let shown = false;
  let lastPlain = 0;
  const clear = (): void => {
    if (shown) out.write('\r\x1b[K');
    shown = false;
  };
  const terminal: Terminal = {
    line(text) {
      clear();
      out.write(`${text}\n`);
    },
    live(text) {
      if (tty) {
        out.write(`\r\x1b[K${text.slice(0, Math.max(20, (out.columns ?? 80) - 1))}`);
        shown = true;
      } else if (Date.now() - lastPlain >= plainEveryMs) {
        lastPlain = Date.now();
        out.write(`${text}\n`);
      }
    },
    raw(text) {
      clear();
      out.write(text);
    },
    async during(text, work) {
      const begin = Date.now();
      const show = (): void => terminal.live(`  ${text} ... ${Math.round((Date.now() - begin) / 1000)} s`);
      const timer = setInterval(show, tty ? 500 : plainEveryMs);
      try {
        return await work;
      } finally {
        clearInterval(timer);
        clear();
      }
    },
  };
  return terminal;
}

/** 75 -> `1 min 15 s` */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
