import { execFile } from 'node:child_process';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { GpuReadingSchema, GpuSchema } from '../../core/gen/aiforge/v1/worker_pb.ts';

export type GpuInit = MessageInitShape<typeof GpuSchema>;
export type GpuReadingInit = MessageInitShape<typeof GpuReadingSchema> & { index: number };

const fields = ['index', 'name', 'memory.total', 'driver_version', 'compute_cap'] as const;

const readingFields = ['index', 'utilization.gpu', 'memory.used', 'temperature.gpu', 'power.draw'] as const;

/**
 * The host's GPUs as `nvidia-smi` (on PATH) tells them; none where it is missing, fails, or takes over `timeoutMs`.
 * Format: `nvidia-smi --help-query-gpu`; memory is in MiB.
 */
export async function queryGpus(timeoutMs = 5_000, env: NodeJS.ProcessEnv = process.env): Promise<GpuInit[]> {
  return parseGpus(await query(fields, timeoutMs, env));
}

/** What they measure now; what one of them does not measure is absent. */
export async function queryGpuReadings(timeoutMs = 5_000, env: NodeJS.ProcessEnv = process.env): Promise<GpuReadingInit[]> {
  return parseGpuReadings(await query(readingFields, timeoutMs, env));
}

function query(names: readonly string[], timeoutMs: number, env: NodeJS.ProcessEnv): Promise<string> {
  const args = [`--query-gpu=${names.join(',')}`, '--format=csv,noheader,nounits'];
  return new Promise((resolve) => {
    execFile('nvidia-smi', args, { timeout: timeoutMs, killSignal: 'SIGKILL', env, maxBuffer: 1 << 20 }, (error, stdout) => resolve(error === null ? stdout : ''));
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

/** Percent, MiB, degrees Celsius and watts; `[N/A]` and the like are what was not measured. */
export function parseGpuReadings(csv: string): GpuReadingInit[] {
  const readings: GpuReadingInit[] = [];
  for (const line of csv.split('\n')) {
    const values = line.split(',').map((value) => value.trim());
    if (values.length !== readingFields.length || !/^\d+$/.test(values[0]!)) continue;
    const [index, utilization, memory, temperature, power] = values.map((value) => (/^\d+(\.\d+)?$/.test(value) ? Number(value) : undefined));
    readings.push({
      index: index!,
      ...(utilization === undefined ? {} : { utilizationPercent: utilization }),
      ...(memory === undefined ? {} : { memoryUsedBytes: BigInt(Math.round(memory * 2 ** 20)) }),
      ...(temperature === undefined ? {} : { temperatureCelsius: temperature }),
      ...(power === undefined ? {} : { powerWatts: power }),
    });
  }
  return readings;
}
