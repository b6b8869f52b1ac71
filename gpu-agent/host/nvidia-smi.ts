import { execFile } from 'node:child_process';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { GpuSchema } from '../../core/gen/aiforge/v1/worker_pb.ts';

export type GpuInit = MessageInitShape<typeof GpuSchema>;

const fields = ['index', 'name', 'memory.total', 'driver_version', 'compute_cap'] as const;

/**
 * The host's GPUs as `nvidia-smi` (on PATH) tells them; none where it is missing, fails, or takes over `timeoutMs`.
 * Format: `nvidia-smi --help-query-gpu`; memory is in MiB.
 */
export function queryGpus(timeoutMs = 5_000, env: NodeJS.ProcessEnv = process.env): Promise<GpuInit[]> {
  const args = [`--query-gpu=${fields.join(',')}`, '--format=csv,noheader,nounits'];
  return new Promise((resolve) => {
    execFile('nvidia-smi', args, { timeout: timeoutMs, killSignal: 'SIGKILL', env, maxBuffer: 1 << 20 }, (error, stdout) => resolve(error === null ? parseGpus(stdout) : []));
  });
}

/** Lines that are not as asked for (a GPU that fell off the bus is one) are left out. */
export function parseGpus(csv: string): GpuInit[] {
  const gpus: GpuInit[] = [];
  for (const line of csv.split('\n')) {
    const values = line.split(',').map((value) => value.trim());
    const [index, name, memory, driver, capability] = values;
    if (values.length !== fields.length || !/^\d+$/.test(index!) || !/^\d+$/.test(memory!)) continue;
    gpus.push({ index: Number(index), name: name!, memoryBytes: BigInt(memory!) << 20n, driver: driver!, computeCapability: capability! });
  }
  return gpus;
}
