import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';

/** NATS's command line, where it is on PATH: `go install github.com/nats-io/natscli/nats@v0.3.0`. */
export interface NatsCli {
  version: string;
  /**
   * Messages a second of `nats bench js pub sync`: each client has one in flight and waits for its acknowledgement. They go to a stream
   * of their own, kept in a file on one node, which is purged before.
   */
  publish(url: string, load: { clients: number; bytes: number; messages: number }): Promise<number>;
}

export function findNatsCli(): NatsCli | undefined {
  let version: string;
  try {
    version = execFileSync('nats', ['--version'], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
  return {
    version,
    async publish(url, { clients, bytes, messages }) {
      const stream = ['--create', '--stream', 'bench', '--storage', 'file', '--replicas', '1', '--purge'];
      const args = ['--server', url, 'bench', 'js', 'pub', 'sync', 'bench.messages', ...stream, '--clients', String(clients), '--size', `${bytes}B`, '--msgs', String(messages), '--no-progress'];
      const { stdout } = await promisify(execFile)('nats', args, { maxBuffer: 1 << 24 });
      const rate = /(?:aggregated )?stats: ([\d,]+) msgs\/sec/.exec(stdout)?.[1];
      if (rate === undefined) throw new Error(`nats bench told no rate:\n${stdout}`);
      return Number(rate.replaceAll(',', ''));
    },
  };
}
