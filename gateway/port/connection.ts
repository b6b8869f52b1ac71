import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { Bag, type Bagged } from './bag.ts';
import type { PortLimits } from './limits.ts';

/** One request and its answer, as far as deadlines go. */
export interface Call {
  /** `bounded`: has to arrive within `bodyMs`; `unbounded`: a stream, which only must not fall silent. */
  body: 'none' | 'bounded' | 'unbounded';
  /** Where the answer is written. */
  output: Pick<Writable, 'writableNeedDrain' | 'writableEnded' | 'writableFinished' | 'once'>;
  /** Ends the call: its time is over. */
  expire(): void;
}
export interface OpenCall {
  bodyEnded(): void;
  /** The answer is out; what still comes of the body is dropped, for a while. */
  lingers(): void;
  ended(): void;
}

/**
 * The clock of one connection: servers that never listen enforce no deadline, so this knows what the connection is at.
 */
export interface Connection {
  readonly socket: Socket;
  /** Closed without loss when the port stops: no call is open, and nobody else has taken the socket over. */
  isIdle(): boolean;
  open(call: Call): OpenCall;
  /** HTTP/2: what comes between calls is frames, no header that could be late. */
  framed(): void;
  /** WebSocket: deadlines are somebody else's from here on. */
  release(): void;
  /**
   * Expires calls, and says what happened to the connection itself.
   * @param now monotonic milliseconds
   */
  check(now: number): 'late' | 'idle' | undefined;
}

export function createConnection(socket: Socket, limits: PortLimits, clock: () => number): Connection {
  // A connection that says nothing at first is as late as one that says half a header.
  let headerSince: number | undefined = clock();
  let idleSince = clock();
  let bytesWhenIdle = 0;
  let frames = false;
  let released = false;
  const calls = new Bag<CallClock>();
  const over = (call: CallClock): void => {
    if (!calls.delete(call)) return;
    idleSince = clock();
    bytesWhenIdle = socket.bytesRead;
  };

  return {
    socket,
    isIdle: () => calls.size === 0 && !released,
    open(call) {
      headerSince = undefined;
      const watched = new CallClock(call, socket, limits, clock, over);
      calls.add(watched);
      return watched;
    },
    framed() {
      frames = true;
      headerSince = undefined;
    },
    release() {
      released = true;
    },
    check(now) {
      if (released) return undefined;
      for (const call of calls.all()) if (call.isOver(now)) call.expire();
      if (calls.size > 0) return undefined;
      if (!frames && socket.bytesRead !== bytesWhenIdle) headerSince ??= now;
      if (headerSince !== undefined) return now - headerSince > limits.headerMs ? 'late' : undefined;
      return now - idleSince > limits.idleMs ? 'idle' : undefined;
    },
  };
}

class CallClock implements OpenCall, Bagged {
  place = -1;
  private readonly call: Call;
  private readonly socket: Socket;
  private readonly limits: PortLimits;
  private readonly clock: () => number;
  private readonly over: (call: CallClock) => void;
  private bodyDeadline = Infinity;
  private bytes = 0;
  private movedAt: number;
  private drainedAt: number | undefined;

  constructor(call: Call, socket: Socket, limits: PortLimits, clock: () => number, over: (call: CallClock) => void) {
    this.call = call;
    this.socket = socket;
    this.limits = limits;
    this.clock = clock;
    this.over = over;
    this.movedAt = clock();
    if (call.body === 'bounded') this.bodyDeadline = clock() + limits.bodyMs;
  }

  expire(): void {
    this.call.expire();
  }

  ended(): void {
    this.over(this);
  }

  bodyEnded(): void {
    this.bodyDeadline = Infinity;
    this.movedAt = Infinity;
  }

  lingers(): void {
    this.bodyDeadline = Math.min(this.bodyDeadline, this.clock() + this.limits.lingerMs);
  }

  isOver(now: number): boolean {
    return now > this.bodyDeadline || this.isSilent(now) || this.isStalled(now);
  }

  /** A stream of requests on which neither side says anything. */
  private isSilent(now: number): boolean {
    if (this.call.body !== 'unbounded') return false;
    const bytes = this.socket.bytesRead + this.socket.bytesWritten;
    if (bytes !== this.bytes && this.movedAt !== Infinity) this.movedAt = now;
    this.bytes = bytes;
    return now - this.movedAt > this.limits.idleMs;
  }

  /** A client that does not take its answer. */
  private isStalled(now: number): boolean {
    const { output } = this.call;
    if (!output.writableNeedDrain && !(output.writableEnded && !output.writableFinished)) {
      this.drainedAt = undefined;
      return false;
    }
    if (this.drainedAt === undefined) {
      this.drainedAt = now;
      output.once('drain', () => (this.drainedAt = undefined));
    }
    return now - this.drainedAt > this.limits.stallMs;
  }
}
