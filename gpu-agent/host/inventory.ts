import { cpus, hostname, totalmem } from 'node:os';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import type { SlotSchema, WorkerInfoSchema } from '../../core/gen/aiforge/v1/worker_pb.ts';
import type { GpuInit } from './nvidia-smi.ts';

/**
 * What this host has, and what may run on it side by side.
 * @param labels given by the operator; `pool` names its pool
 */
export function describeHost(gpus: GpuInit[], labels: Readonly<Record<string, string>> = {}): MessageInitShape<typeof WorkerInfoSchema> {
  return {
    host: hostname(),
    cpus: cpus().length,
    memoryBytes: BigInt(totalmem()),
    gpus,
    slots: slotsFor(gpus),
    versions: { node: process.versions.node },
    labels: { os: process.platform, arch: process.arch, ...labels },
  };
}

/**
 * One slot a GPU for training and evaluation; without a GPU one for training on the CPU. Beside them one for CPU
 * tasks, so that an export (and without a GPU an evaluation) never waits behind a training.
 */
export function slotsFor(gpus: GpuInit[]): MessageInitShape<typeof SlotSchema>[] {
  if (gpus.length === 0) {
    return [
      { name: 'train', kinds: [TaskKind.TRAIN] },
      { name: 'cpu', kinds: [TaskKind.EXPORT, TaskKind.EVALUATE] },
    ];
  }
  return [
    ...gpus.map((gpu) => ({ name: `gpu${gpu.index}`, kinds: [TaskKind.TRAIN, TaskKind.EVALUATE], gpuIndex: gpu.index })),
    { name: 'cpu', kinds: [TaskKind.EXPORT] },
  ];
}
