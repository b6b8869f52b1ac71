import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ip = (...args: string[]): Promise<unknown> => run('ip', args);

/** A network of its own for one process, with one cable to the host. */
export interface Namespace {
  /** What a command is put behind to run in it; the process keeps the id that it is started with. */
  readonly launch: readonly string[];
  /** The host's end of the cable: all that can be reached from within. */
  readonly hostAddress: string;
  /** Pulls the cable, so that packets are lost and nobody is told, or plugs it in again. */
  plug(isIn: boolean): Promise<void>;
  remove(): Promise<void>;
}

let made = 0;

/**
 * Makes a network namespace joined to the host by a veth pair, on addresses that RFC 2544 sets apart for tests. The pair ends in
 * a bridge, which has the host's address: without its cable packets still go there, and no other way.
 * @param number tells a run's namespaces apart: several runs may be under way, each with names and addresses of its own for 64 at most
 * @returns why not, where this user or system may not
 */
export async function makeNamespace(number = made++ % 64): Promise<Namespace | string> {
  const name = `forge-${process.pid}-${number}`;
  const [cable, bridge] = [`fc${process.pid}-${number}`, `fb${process.pid}-${number}`];
  const [high, low] = [18 + ((process.pid >> 8) & 1), process.pid & 255];
  const hostAddress = `198.${high}.${low}.${4 * number + 1}`;
  /** What is there of it, which may be nothing. The cable goes with the namespace, but not at once. */
  const clear = async (): Promise<void> => {
    for (const args of [['netns', 'delete', name], ['link', 'delete', cable], ['link', 'delete', bridge]]) await ip(...args).catch(() => {});
  };
  // A run that was killed leaves its own behind, and process ids come again.
  await clear();
  try {
    await ip('netns', 'add', name);
  } catch (error) {
    return `a network namespace needs root and iproute2: ${(error as Error).message.trim()}`;
  }
  try {
    await ip('link', 'add', bridge, 'type', 'bridge');
    await ip('address', 'add', `${hostAddress}/30`, 'dev', bridge);
    await ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
    await ip('link', 'set', cable, 'master', bridge);
    for (const device of [bridge, cable]) await ip('link', 'set', device, 'up');
    await ip('-n', name, 'address', 'add', `198.${high}.${low}.${4 * number + 2}/30`, 'dev', 'eth0');
    for (const device of ['eth0', 'lo']) await ip('-n', name, 'link', 'set', device, 'up');
  } catch (error) {
    await clear();
    return `a network namespace has no cable to the host: ${(error as Error).message.trim()}`;
  }
  return {
    launch: ['ip', 'netns', 'exec', name],
    hostAddress,
    plug: async (isIn) => void (await ip('link', 'set', cable, isIn ? 'up' : 'down')),
    async remove() {
      try {
        await ip('netns', 'delete', name);
      } finally {
        await clear();
      }
    },
  };
}
