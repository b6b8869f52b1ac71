import type { Llama } from 'node-llama-cpp';
import { InsufficientMemoryError } from 'node-llama-cpp';
import { stat } from 'node:fs/promises';
import { ForgeError } from '../../../core/errors.ts';
import { orGone } from './gone.ts';
import type { LoadLimits, LoadedModel } from './loaded-model.ts';
import { loadModel } from './loaded-model.ts';
import { estimateBytes } from './model-memory.ts';
import type { StoredModel } from './model-store.ts';
import { ggufPath, listStored, readStored } from './model-store.ts';

export interface CacheLimits extends LoadLimits {
  /** Models kept in memory at once. */
  models: number;
  /** Bytes of memory that models and their contexts may take together, by llama.cpp's own estimate. */
  bytes: number;
}

interface Wanted {
  stored: StoredModel;
  path: string;
  /** Of the file. */
  size: number;
  /** Of memory. */
  bytes: number;
}

interface Entry {
  name: string;
  digest: string;
  bytes: number;
  usedAt: number;
  users: number;
  loading: Promise<LoadedModel>;
  /** Set when it is to leave memory, which it does once nobody uses it. */
  doomed: boolean;
}

interface Waiter {
  wanted: Wanted;
  admit: (entry: Entry) => void;
}

/**
 * Models in memory: loaded when asked for and kept warm; the least recently used ones that nobody uses make room.
 * Where those in use leave no room, requests wait in the order in which they came, also those for a model that is there:
 * so no model's stream of requests keeps another out.
 */
export class ModelCache {
  /** By name, the one to be used now. */
  private readonly entries = new Map<string, Entry>();
  /** All that take memory, also those that are about to leave. */
  private readonly resident = new Set<Entry>();
  private readonly waiting: Waiter[] = [];
  private readonly llama: Llama;
  private readonly modelsDir: string;
  private readonly limits: CacheLimits;

  constructor(llama: Llama, modelsDir: string, limits: CacheLimits) {
    this.llama = llama;
    this.modelsDir = modelsDir;
    this.limits = limits;
  }

  /** Runs `use` with the model, which stays in memory meanwhile. @throws ForgeError not_found, wrong_state, unavailable, rate_limited, cancelled */
  async with<T>(name: string, signal: AbortSignal, use: (model: LoadedModel) => Promise<T>): Promise<T> {
    const entry = await this.acquire(await this.find(name), signal);
    try {
      return await use(await orGone(entry.loading, signal));
    } finally {
      entry.users--;
      entry.usedAt = performance.now();
      if (entry.doomed) this.letGo(entry);
      this.admitNext();
    }
  }

  /** Names of the models in memory. */
  names(): string[] {
    return [...this.entries.keys()];
  }

  /** Requests that wait for their model to get into memory. */
  queued(): number {
    return this.waiting.length;
  }

  private async find(name: string): Promise<Wanted> {
    const stored = await readStored(this.modelsDir, name);
    const held = this.entries.get(name);
    if (stored === undefined) {
      if (held !== undefined) this.doom(held);
      const there = (await listStored(this.modelsDir)).map((model) => model.name);
      throw new ForgeError('not_found', `model: "${name}" not found; there is ${there.length === 0 ? 'none' : there.slice(0, 20).join(', ')}`, { field: 'model' });
    }
    const path = ggufPath(this.modelsDir, name);
    const { size } = await stat(path);
    const bytes = held?.digest === stored.ggufDigest ? held.bytes : await estimateBytes(this.llama, path, stored.ggufDigest, this.limits);
    return { stored, path, size, bytes };
  }

  /** The caller is counted as a user from then on, so that nothing is unloaded under it. */
  private async acquire(wanted: Wanted, signal: AbortSignal): Promise<Entry> {
    const entry = this.waiting.length === 0 ? this.enter(wanted) : undefined;
    if (entry !== undefined) return entry;
    if (this.waiting.length >= this.limits.queue) throw new ForgeError('rate_limited', `model: "${wanted.stored.name}" has to wait until others leave memory, and ${this.waiting.length} requests wait already; try again later`, { field: 'model', retryAfterSeconds: 5 });
    const { promise, resolve, reject } = Promise.withResolvers<Entry>();
    const waiter: Waiter = { wanted, admit: resolve };
    const leave = () => {
      const at = this.waiting.indexOf(waiter);
      // Admitted already: then it is for the caller to notice.
      if (at < 0) return;
      this.waiting.splice(at, 1);
      reject(new ForgeError('cancelled', 'The request was given up'));
      this.admitNext();
    };
    this.waiting.push(waiter);
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) leave();
    return promise.finally(() => signal.removeEventListener('abort', leave));
  }

  private admitNext(): void {
    for (let head = this.waiting[0]; head !== undefined; head = this.waiting[0]) {
      const { stored } = head.wanted;
      const entry = this.enter(head.wanted);
      if (entry === undefined) return;
      this.waiting.shift();
      head.admit(entry);
      // Who waits for the same model comes along: a model that takes turns with another is loaded once a turn.
      for (const other of this.waiting.filter(({ wanted }) => wanted.stored.name === stored.name && wanted.stored.ggufDigest === stored.ggufDigest)) {
        this.waiting.splice(this.waiting.indexOf(other), 1);
        entry.users++;
        other.admit(entry);
      }
    }
  }

  /** @returns undefined where there is no room yet; what can leave is then leaving */
  private enter({ stored, path, size, bytes }: Wanted): Entry | undefined {
    const { name, ggufDigest: digest } = stored;
    const held = this.entries.get(name);
    if (held?.digest === digest) {
      held.users++;
      return held;
    }
    // Replaced on disk: whoever still uses the old one keeps it to the end.
    if (held !== undefined) this.doom(held);
    if (!this.makeRoom(bytes)) return undefined;
    const loading = loadModel(this.llama, path, size, stored, this.limits).catch((error) => { throw loadError(error, name, bytes); });
    const entry: Entry = { name, digest, bytes, usedAt: performance.now(), users: 1, doomed: false, loading };
    this.entries.set(name, entry);
    this.resident.add(entry);
    loading.catch(() => {
      if (this.entries.get(name) === entry) this.entries.delete(name);
      this.resident.delete(entry);
      this.admitNext();
    });
    return entry;
  }

  /** Whether one more of so many bytes fits now. One alone always does: whether it loads, llama.cpp knows. */
  private makeRoom(bytes: number): boolean {
    const fits = (others: readonly Entry[]) => others.length === 0 || (others.length < this.limits.models && others.reduce((sum, one) => sum + one.bytes, bytes) <= this.limits.bytes);
    // Those on their way out count until they are gone, and need no help.
    let staying = [...this.resident].filter((entry) => !entry.doomed || entry.users > 0);
    const idle = staying.filter((entry) => entry.users === 0).sort((a, b) => a.usedAt - b.usedAt);
    const leaving: Entry[] = [];
    while (!fits(staying) && idle.length > 0) {
      const oldest = idle.shift()!;
      leaving.push(oldest);
      staying = staying.filter((entry) => entry !== oldest);
    }
    // Nothing is unloaded for what would not fit all the same.
    if (fits(staying)) for (const entry of leaving) this.doom(entry);
    return fits([...this.resident]);
  }

  /** Out of the list now, out of memory when its last user is done. */
  private doom(entry: Entry): void {
    if (this.entries.get(entry.name) === entry) this.entries.delete(entry.name);
    entry.doomed = true;
    this.letGo(entry);
  }

  private letGo(entry: Entry): void {
    if (entry.users > 0) return;
    void entry.loading
      .then((model) => model.dispose())
      .catch(() => undefined)
      .then(() => {
        this.resident.delete(entry);
        this.admitNext();
      });
  }
}

function loadError(error: unknown, name: string, bytes: number): unknown {
  if (!(error instanceof InsufficientMemoryError)) return error;
  return new ForgeError('unavailable', `model: "${name}" needs about ${Math.ceil(bytes / 2 ** 20)} MiB of memory, which this machine does not have free; end something else, or use a smaller model`, { field: 'model', retryAfterSeconds: 30, cause: error });
}
