import { create } from '@bufbuild/protobuf';
import { invalid } from '../../core/errors.ts';
import { TaskKind, TaskSpecSchema, type TrainSpec } from '../../core/gen/aiforge/v1/task_pb.ts';
import type { WorkerInfo } from '../../core/gen/aiforge/v1/worker_pb.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { wantsGpu } from '../scheduler/choose.ts';
import { slotMemory, type Present } from '../workers/roster.ts';
import { memoryNeeds, type MemoryNeeds } from './memory.ts';

type Placed = (id: string, info: WorkerInfo | undefined) => info is WorkerInfo;

interface Question {
  spec: TrainSpec;
  field: string;
  ledger: Pick<Ledger, 'head'>;
  /** Whether an agent trains where the job may run. */
  placed: Placed;
  /** Waits a moment for an agent that is enough. */
  hears(enough: (id: string, info: WorkerInfo | undefined) => boolean): Promise<boolean>;
  workers: ReadonlyMap<string, Present>;
}

/**
 * Refuses what is estimated to take more memory than any slot has that it may be given, where agents are known.
 * @throws ForgeError invalid_argument with the estimate and the largest there is
 */
export async function checkMemory({ spec, field, ledger, placed, hears, workers }: Question): Promise<void> {
  const task = { spec: create(TaskSpecSchema, { kind: { case: 'train', value: spec } }), microBatch: undefined };
  const needs = memoryNeeds(task, ledger);
  const known = (): WorkerInfo[] => [...workers].flatMap(([id, { info }]) => (placed(id, info) ? [info] : []));
  if (needs === undefined || known().length === 0) return;
  const gpusAlone = (): boolean => wantsGpu(task) && known().some(({ slots }) => slots.some(({ gpuIndex }) => gpuIndex !== undefined));
  if (await hears((id, info) => placed(id, info) && slotsFor(info, gpusAlone()).some(({ gpu, bytes }) => isEnough(needs, gpu, bytes)))) return;

  const slots = known().flatMap((info) => slotsFor(info, gpusAlone()));
  const largest = (gpu: boolean): number => Math.max(0, ...slots.filter((slot) => slot.gpu === gpu).map(({ bytes }) => bytes ?? 0));
  const about = (what: string, bytes: number, most: number): string => `${gib(bytes)} of ${what} by estimate, and the largest ${what === 'GPU memory' ? 'GPU' : 'host'} has ${gib(most)}`;
  const parts = [
    ...(slots.some(({ gpu }) => gpu) ? [about('GPU memory', needs.gpu, largest(true))] : []),
    ...(needs.cpu !== undefined && slots.some(({ gpu }) => !gpu) ? [about('memory', needs.cpu, largest(false))] : []),
  ];
  throw invalid(field, `training ${spec.baseModel} so takes ${parts.join(', or ')}, so nobody could ever run it; lower batch_size, max_seq_length or rank, or, for a GPU, ask for quantization 4bit`);
}

/** The slots that train, as choose() would give them a job. */
function slotsFor(info: WorkerInfo, gpusAlone: boolean): { gpu: boolean; bytes: number | undefined }[] {
  return info.slots
    .filter(({ kinds, gpuIndex }) => kinds.includes(TaskKind.TRAIN) && (gpuIndex !== undefined || !gpusAlone))
    .map((slot) => ({ gpu: slot.gpuIndex !== undefined, bytes: slotMemory(info, slot) }));
}

/** What is not known keeps nobody from trying; a CPU that can't do it says so itself. */
function isEnough(needs: MemoryNeeds, gpu: boolean, bytes: number | undefined): boolean {
  const needed = gpu ? needs.gpu : needs.cpu;
  return needed === undefined || bytes === undefined || needed <= bytes;
}

/** `24.0 GiB` */
function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
