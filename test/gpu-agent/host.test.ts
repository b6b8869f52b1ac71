import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import { describeHost, slotsFor } from '../../gpu-agent/host/inventory.ts';
import { startReadings } from '../../gpu-agent/host/readings.ts';
import { parseGpuReadings, parseGpus, queryGpuReadings, queryGpus } from '../../gpu-agent/host/nvidia-smi.ts';

t.setTimeout(30_000);

/** A folder for PATH with an `nvidia-smi` of our own. */
async function withTool(t: Test, script: string): Promise<NodeJS.ProcessEnv> {
  const dir = await mkdtemp(join(tmpdir(), 'forge-smi-'));
  t.teardown(() => rm(dir, { recursive: true }));
  await writeFile(join(dir, 'nvidia-smi'), `#!/bin/sh\n${script}\n`);
  await chmod(join(dir, 'nvidia-smi'), 0o755);
  return { ...process.env, PATH: `${dir}:${process.env['PATH']}` };
}

t.test('GPUs are what nvidia-smi says', async (t) => {
  const env = await withTool(t, 'test "$1" = "--query-gpu=index,name,memory.total,driver_version,compute_cap" && printf "0, NVIDIA H200, 143771, 570.86.15, 9.0\\n1, NVIDIA L4, 23034, 570.86.15, 8.9\\n"');
  const gpus = await queryGpus(5_000, env);
  t.match(gpus, [{ index: 0, name: 'NVIDIA H200', memoryBytes: 143_771n * 1024n * 1024n, driver: '570.86.15', computeCapability: '9.0' }, { index: 1, name: 'NVIDIA L4' }]);
});

t.test('without the tool, with a broken driver, or one that hangs, there are none', async (t) => {
  t.same(await queryGpus(5_000, { PATH: '/nowhere' }), []);
  t.same(await queryGpus(5_000, await withTool(t, 'echo "NVIDIA-SMI has failed"; exit 9')), []);
  const started = performance.now();
  t.same(await queryGpus(200, await withTool(t, 'exec sleep 30')), []);
  t.ok(performance.now() - started < 5_000);
});

t.test('a line that is not as asked for is left out', async (t) => {
  t.same(parseGpus('[Unknown Error], x, y, z, w\n\n2, A, [N/A], 1, 8.0\n'), []);
});

t.test('slots: one a GPU, and one for exports, which never wait behind a training', async (t) => {
  t.match(slotsFor([{ index: 0 }, { index: 1 }]), [
    { name: 'gpu0', kinds: [TaskKind.TRAIN, TaskKind.EVALUATE], gpuIndex: 0 },
    { name: 'gpu1', gpuIndex: 1 },
    { name: 'cpu', kinds: [TaskKind.EXPORT] },
  ]);
  t.same(describeHost([]).slots, [{ name: 'train', kinds: [TaskKind.TRAIN] }, { name: 'cpu', kinds: [TaskKind.EXPORT, TaskKind.EVALUATE] }]);
  t.ok(describeHost([]).memoryBytes! > 0n);
});

t.test('what GPUs measure: absent where nvidia-smi has no figure', async (t) => {
  const env = await withTool(t, 'test "$1" = "--query-gpu=index,utilization.gpu,memory.used,temperature.gpu,power.draw" && printf "0, 97, 20480, 71, 312.55\\n1, [N/A], 512, [Not Supported], [N/A]\\n"');
  t.same(await queryGpuReadings(5_000, env), [
    { index: 0, utilizationPercent: 97, memoryUsedBytes: 20_480n << 20n, temperatureCelsius: 71, powerWatts: 312.55 },
    { index: 1, memoryUsedBytes: 512n << 20n },
  ]);
  t.same(parseGpuReadings('[Unknown Error]\n\n[N/A], 1, 2, 3, 4\n'), []);
  const readings = startReadings({ everyMs: 60_000, hasGpus: false, dataDir: t.testdir() });
  t.teardown(readings.stop);
  while (readings.newest() === undefined) await setImmediate();
  const { load, memoryFreeBytes, diskBytes, diskFreeBytes, gpus } = readings.newest()!;
  t.ok(load! >= 0 && memoryFreeBytes! > 0n && diskBytes! >= diskFreeBytes! && diskFreeBytes! > 0n);
  t.same(gpus, []);
});
