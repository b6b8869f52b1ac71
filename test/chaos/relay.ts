import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { NatsFrames, publishedTo } from './nats-frames.ts';

/** What is wrong with a process's way to NATS. */
export type Trouble =
  /** Connections stay open and nothing goes through; what was written goes through when it heals. */
  | { kind: 'silent' }
  /** Connections are reset and new ones refused. */
  | { kind: 'reset' }
  /** Each of a worker's requests and beats is held back for up to `holdMs`, and so overtaken by later ones. */
  | { kind: 'slow'; holdMs: number }
  /** Each of them goes through twice, the second one up to `holdMs` later. */
  | { kind: 'twice'; holdMs: number };

/** The one way of a process to NATS. */
export interface Relay {
  readonly url: string;
  trouble(trouble: Trouble | undefined): void;
  /** How many requests were held back or sent twice. */
  readonly disturbed: number;
  stop(): Promise<void>;
}

/**
 * A TCP relay in front of one or more NATS servers: a new connection goes to the first of them that takes it.
 * @param random from 0 up to 1, for how long something is held back
 * @param host address it listens on
 */
export async function startRelay(ports: readonly number[], random: () => number, host = '127.0.0.1'): Promise<Relay> {
  let trouble: Trouble | undefined;
  let disturbed = 0;
  const pairs = new Set<{ near: Socket; far: Socket }>();
  const server = createServer((near) => {
    if (trouble?.kind === 'reset') return void near.resetAndDestroy();
    near.on('error', () => near.destroy());
    near.pause();
    void open(near).catch(() => near.destroy());
  });

  async function open(near: Socket): Promise<void> {
    const far = await firstOf(ports);
    const pair = { near, far };
    const frames = new NatsFrames();
    pairs.add(pair);
    for (const [socket, other] of [[near, far], [far, near]] as const) {
      socket.setNoDelay(true);
      socket.on('error', () => socket.destroy());
      socket.once('close', () => {
        other.destroy();
        pairs.delete(pair);
      });
    }
    near.on('data', (chunk: Buffer) => {
      for (const frame of frames.push(chunk)) pass(far, frame);
    });
    far.on('data', (chunk: Buffer) => void near.write(chunk));
    if (trouble?.kind === 'silent') for (const socket of [near, far]) socket.pause();
    else near.resume();
  }

  function pass(far: Socket, frame: Buffer): void {
    const write = (): void => void (far.writable && far.write(frame));
    const later = (holdMs: number): void => void setTimeout(write, holdMs * random()).unref();
    const mine = (trouble?.kind === 'slow' || trouble?.kind === 'twice') && publishedTo(frame)?.startsWith('work.');
    if (!mine) return write();
    disturbed += 1;
    if (trouble?.kind === 'twice') write();
    later((trouble as { holdMs: number }).holdMs);
  }

  server.listen(0, host);
  await once(server, 'listening');
  return {
    url: `nats://${host}:${(server.address() as AddressInfo).port}`,
    get disturbed() {
      return disturbed;
    },
    trouble(next) {
      trouble = next;
      for (const { near, far } of [...pairs]) {
        if (next?.kind === 'reset') for (const socket of [near, far]) socket.resetAndDestroy();
        else if (next?.kind === 'silent') for (const socket of [near, far]) socket.pause();
        else for (const socket of [near, far]) socket.resume();
      }
    },
    async stop() {
      for (const { near, far } of pairs) for (const socket of [near, far]) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

async function firstOf(ports: readonly number[]): Promise<Socket> {
  for (const port of ports) {
    const socket = connect({ host: '127.0.0.1', port });
    const open = await new Promise<boolean>((resolve) => socket.once('connect', () => resolve(true)).once('error', () => resolve(false)));
    if (open) return socket;
    socket.destroy();
  }
  throw new Error('no NATS server takes connections');
}
