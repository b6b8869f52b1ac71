import { statfs } from 'node:fs/promises';
import { freemem, loadavg } from 'node:os';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { HostReadingSchema } from '../../core/gen/aiforge/v1/worker_pb.ts';
import { queryGpuReadings } from './nvidia-smi.ts';

type Reading = MessageInitShape<typeof HostReadingSchema>;

/** What this host has measured lately, measured anew every `everyMs`. */
export interface Readings {
  newest(): Reading | undefined;
  stop(): void;
}

/** @param hasGpus whether nvidia-smi is asked; @param dataDir whose file system is looked at */
export function startReadings({ everyMs, hasGpus, dataDir }: { everyMs: number; hasGpus: boolean; dataDir: string }): Readings {
  let newest: Reading | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const measure = async (): Promise<void> => {
    newest = await readHost(hasGpus, dataDir);
    // One after the other: a tool that takes long is not started again meanwhile.
    if (!stopped) timer = setTimeout(() => void measure(), everyMs).unref();
  };
  void measure();
  return {
    newest: () => newest,
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

async function readHost(hasGpus: boolean, dataDir: string): Promise<Reading> {
  const [gpus, disk] = await Promise.all([hasGpus ? queryGpuReadings() : [], statfs(dataDir, { bigint: true }).catch(() => undefined)]);
  return {
    load: loadavg()[0]!,
    memoryFreeBytes: BigInt(freemem()),
    ...(disk === undefined ? {} : { diskBytes: disk.blocks * disk.bsize, diskFreeBytes: disk.bavail * disk.bsize }),
    gpus,
  };
}
