import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, natsBinary } from '../../support/nats.ts';

export interface BenchNats {
  url: string;
  stop(): Promise<void>;
}

/**
 * A nats-server with JetStream on a free loopback port, with its own directory.
 * @param sync `always` forces each append to disk before it is acknowledged, as the product wants it; `default` is for filling streams
 */
export async function startBenchNats(sync: 'always' | 'default'): Promise<BenchNats> {
  const dir = await mkdtemp(join(tmpdir(), 'forge-bench-nats-'));
  const port = await freePort();
  const config = join(dir, 'nats.conf');
  await writeFile(config, `listen: "127.0.0.1:${port}"\njetstream { store_dir: ${JSON.stringify(join(dir, 'data'))}, max_file_store: 8GB${sync === 'always' ? ', sync_interval: always' : ''} }\n`);
  const child = spawn(natsBinary(), ['-c', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-20_000);
      if (log.includes('Server is ready')) resolve();
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`nats-server ended with ${code}:\n${log}`)));
  });
  return {
    url: `nats://127.0.0.1:${port}`,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        const gone = once(child, 'exit');
        child.kill('SIGKILL');
        await gone;
      }
      await rm(dir, { recursive: true, force: true });
    },
  };
}
