import { EventEmitter, once } from 'node:events';
import type { TaskKind } from '../../core/gen/aiforge/v1/task_pb.ts';
import type { BeatRequest, Slot, WorkerInfo } from '../../core/gen/aiforge/v1/worker_pb.ts';

export interface Present {
  info: WorkerInfo | undefined;
  /** What it said last. */
  beat: BeatRequest;
  heardAt: number;
  /** The same by the wall clock, Unix milliseconds. */
  seenAt: number;
}

/** A beat this young is presence enough. */
const youngMs = 1_000;
/** A worker that was silent for longer is not counted on. */
const lateMs = 60_000;

/** Memory of a slot's GPU, or of the host where it has none, in bytes; undefined where the worker did not say. */
export function slotMemory({ gpus, memoryBytes }: WorkerInfo, { gpuIndex }: Slot): number | undefined {
  const bytes = gpuIndex === undefined ? memoryBytes : gpus.find(({ index }) => index === gpuIndex)?.memoryBytes;
  return bytes === undefined || bytes === 0n ? undefined : Number(bytes);
}

/** Which workers were heard lately. Not an event: presence is a fact of now. Times are monotonic milliseconds. */
export class Roster {
  readonly #workers = new Map<string, Present>();
  readonly #beats = new EventEmitter().setMaxListeners(0);

  heard(workerId: string, beat: BeatRequest): void {
    this.#workers.set(workerId, { info: beat.info, beat, heardAt: performance.now(), seenAt: Date.now() });
    this.#beats.emit('beat');
  }

  /**
   * Whether somebody is there who takes tasks of this kind: heard within the last second, or else within `timeoutMs`
   * from now, which a wake-up call makes them answer.
   */
  async isServed(kind: TaskKind, wake: () => void, timeoutMs: number): Promise<boolean> {
    const since = performance.now() - youngMs;
    return this.#until(() => this.#servedSince(kind, since), wake, timeoutMs);
  }

  /** Whether a worker that fits was ever heard, or is within `timeoutMs` from now, which a wake-up call makes them answer. */
  hears(fits: (workerId: string, info: WorkerInfo | undefined) => boolean, wake: () => void, timeoutMs: number): Promise<boolean> {
    return this.#until(() => [...this.#workers].some(([id, { info }]) => fits(id, info)), wake, timeoutMs);
  }

  /** Every worker that was heard since this gateway started. */
  workers(): ReadonlyMap<string, Present> {
    return this.#workers;
  }

  /** Forgets a worker until it is heard again. */
  forget(workerId: string): void {
    this.#workers.delete(workerId);
  }

  /** Whether that slot of the worker is a GPU's. */
  isGpu(workerId: string, slot: string): boolean {
    return this.#workers.get(workerId)?.info?.slots.some((one) => one.name === slot && one.gpuIndex !== undefined) ?? false;
  }

  /** Memory of that slot's GPU, or of the host where it has none, in bytes; undefined where the worker did not say. */
  memoryOf(workerId: string, slot: string): number | undefined {
    const info = this.#workers.get(workerId)?.info;
    const found = info?.slots.find((one) => one.name === slot);
    return info === undefined || found === undefined ? undefined : slotMemory(info, found);
  }

  /** Whether a worker that counts and was heard lately has a GPU that trains. */
  hasGpu(counts: (workerId: string) => boolean): boolean {
    const since = performance.now() - lateMs;
    for (const [workerId, { info, heardAt }] of this.#workers) if (heardAt >= since && counts(workerId) && info?.slots.some((slot) => slot.gpuIndex !== undefined)) return true;
    return false;
  }

  /** Whether another worker that counts and was heard lately takes tasks of one of these kinds. */
  hasOther(workerId: string, kinds: readonly TaskKind[], counts: (workerId: string) => boolean): boolean {
    const since = performance.now() - lateMs;
    for (const [id, { info, heardAt }] of this.#workers) {
      if (id !== workerId && heardAt >= since && counts(id) && info?.slots.some((slot) => slot.kinds.some((kind) => kinds.includes(kind)))) return true;
    }
    return false;
  }

  /** Workers that were heard within the last minute, and those that were silent for longer. */
  count(): { present: number; late: number } {
    const since = performance.now() - lateMs;
    let present = 0;
    for (const { heardAt } of this.#workers.values()) if (heardAt >= since) present++;
    return { present, late: this.#workers.size - present };
  }

  async #until(there: () => boolean, wake: () => void, timeoutMs: number): Promise<boolean> {
    if (there()) return true;
    const deadline = AbortSignal.timeout(timeoutMs);
    wake();
    try {
      while (!there()) await once(this.#beats, 'beat', { signal: deadline });
      return true;
    } catch {
      return false;
    }
  }

  #servedSince(kind: TaskKind, since: number): boolean {
    for (const { info, heardAt } of this.#workers.values()) {
      if (heardAt >= since && info?.slots.some((slot) => slot.kinds.includes(kind))) return true;
    }
    return false;
  }
}
