import { once } from 'node:events';
import WebSocket from 'ws';
import { duration, type Terminal } from './terminal.ts';

/** One message of `/ws/training/<job>`; only what was measured is there. */
export interface FeedMessage {
  cursor: string;
  type: string;
  time: string;
  status: string;
  step?: number;
  total_steps?: number;
  epoch?: number;
  loss?: number;
  tokens_per_second?: number;
  eta_seconds?: number;
  heldout_loss?: number;
  message?: string;
}

export interface Watched {
  status: string;
  /** Last message of a state, such as why it failed. */
  message: string | undefined;
  /** Seconds spent in each status, by the times of the feed. */
  seconds: Record<string, number>;
  /** Mean over the messages that carry it. */
  tokensPerSecond: number | undefined;
  loss: { first: number; last: number } | undefined;
  steps: number | undefined;
}

const reconnectMs = 500;

/** Follows a job to its end and shows it; a connection that breaks goes on after the last message seen. */
export async function watchJob(url: string, jobId: string, terminal: Terminal, signal: AbortSignal): Promise<Watched> {
  const seen: Watched = { status: 'queued', message: undefined, seconds: {}, tokensPerSecond: undefined, loss: undefined, steps: undefined };
  let cursor = '';
  let last: number | undefined;
  const rates: number[] = [];
  const take = (message: FeedMessage): void => {
    cursor = message.cursor;
    const time = Date.parse(message.time);
    if (last !== undefined) seen.seconds[seen.status] = (seen.seconds[seen.status] ?? 0) + Math.max(0, time - last) / 1000;
    last = time;
    if (message.type === 'state') {
      if (message.status !== seen.status || message.message !== seen.message) terminal.line(`  ${message.status}${message.message !== undefined && message.message !== message.status ? `: ${message.message}` : ''}`);
      seen.message = message.message ?? seen.message;
    }
    seen.status = message.status;
    if (message.tokens_per_second !== undefined) rates.push(message.tokens_per_second);
    if (message.loss !== undefined && message.type === 'metrics') seen.loss = { first: seen.loss?.first ?? message.loss, last: message.loss };
    if (message.step !== undefined) seen.steps = message.step;
    if (message.type === 'metrics') terminal.live(`  ${progressLine(message)}`);
  };
  for (;;) {
    const code = await followOnce(`${url.replace(/^http/, 'ws')}/ws/training/${encodeURIComponent(jobId)}${cursor === '' ? '' : `?after=${encodeURIComponent(cursor)}`}`, take, signal);
    signal.throwIfAborted();
    if (code === 1000) break;
    if (code === 4404) throw new Error(`the service knows no job ${jobId}`);
    await new Promise((resolve) => setTimeout(resolve, reconnectMs));
  }
  if (rates.length > 0) seen.tokensPerSecond = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
  return seen;
}

/** `training  step 40/120  epoch 0.33  loss 3.912  4,100 tokens/s  35 s left`, of what is known */
export function progressLine(m: FeedMessage): string {
  return [
    m.status,
    m.step === undefined ? '' : `step ${m.step}${m.total_steps === undefined ? '' : `/${m.total_steps}`}`,
    m.epoch === undefined ? '' : `epoch ${m.epoch.toFixed(2)}`,
    m.loss === undefined ? '' : `loss ${m.loss.toFixed(3)}`,
    m.tokens_per_second === undefined ? '' : `${Math.round(m.tokens_per_second).toLocaleString('en')} tokens/s`,
    m.eta_seconds === undefined ? '' : `${duration(m.eta_seconds)} left`,
    m.heldout_loss === undefined ? '' : `held-out loss ${m.heldout_loss.toFixed(3)}`,
    m.message ?? '',
  ].filter((part) => part !== '').join('  ');
}

/** @returns the close code; 1006 when there was no connection */
async function followOnce(url: string, take: (message: FeedMessage) => void, signal: AbortSignal): Promise<number> {
  const socket = new WebSocket(url, { handshakeTimeout: 5_000 });
  const abort = (): void => socket.terminate();
  signal.addEventListener('abort', abort, { once: true });
  socket.on('error', () => {});
  socket.on('message', (data) => take(JSON.parse(String(data)) as FeedMessage));
  try {
    const [code] = await once(socket, 'close') as [number];
    return code;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
