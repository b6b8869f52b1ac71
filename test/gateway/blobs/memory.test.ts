// How much memory a large blob takes, at the gateway and at the worker that stores and fetches it.
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { startLoneGateway } from '../../support/lone-gateway.ts';
import { forgetPeak, peakMemory } from '../../support/peak-memory.ts';

const mebibytes = process.env['FORGE_TEST_LONG'] === '1' ? 512 : 256;
/** A fixed amount, whatever the size: pieces that were read are collected somewhat late. */
const maxGrowthBytes = 160 << 20;
t.setTimeout(240_000);

t.test(`a blob of ${mebibytes} MiB`, { skip: process.platform === 'linux' ? false : 'memory is read from /proc' }, async (t) => {
  const { pid, port, folder } = await startLoneGateway(t);
  forgetPeak(pid);
  const before = peakMemory(pid);
  const since = performance.now();
  const client = join(import.meta.dirname, '../../support/blob-client-process.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [client, `http://127.0.0.1:${port}`, folder, String(mebibytes)]);
  const seconds = (performance.now() - since) / 1000;
  const { up, down } = JSON.parse(stdout) as { up: number; down: number };
  const grown = peakMemory(pid) - before;
  const shown = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  t.comment(`${mebibytes} MiB stored and fetched in ${seconds.toFixed(1)} s: peak memory of the worker grew by ${shown(up)} and ${shown(down)}, of the gateway by ${shown(grown)}`);
  t.equal((await stat(join(folder, 'copy'))).size, mebibytes << 20);
  for (const [what, bytes] of Object.entries({ 'storing it': up, 'fetching it': down, 'the gateway': grown })) t.ok(bytes < maxGrowthBytes, `${what}: ${shown(bytes)} more`);
});
