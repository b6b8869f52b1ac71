import type { Llama } from 'node-llama-cpp';
import { stat } from 'node:fs/promises';
import { ForgeError } from '../../../core/errors.ts';
import type { LoadLimits, LoadedModel } from './loaded-model.ts';
import { loadModel } from './loaded-model.ts';
import { ggufPath, readStored } from './model-store.ts';

export interface CacheLimits extends LoadLimits {
  /** Models kept in memory at once. */
  models: number;
  /** Bytes of GGUF files kept in memory at once. */
  bytes: number;
}

interface Entry {
  digest: string;
  size: number;
  usedAt: number;
  users: number;
  doomed: boolean;
  loading: Promise<LoadedModel>;
}

/** Models in memory: loaded when asked for, the least recently used one unloaded when there are too many. */
export class ModelCache {
  private readonly entries = new Map<string, Entry>();
  private readonly llama: Llama;
  private readonly modelsDir: string;
  private readonly limits: CacheLimits;

  constructor(llama: Llama, modelsDir: string, limits: CacheLimits) {
    this.llama = llama;
    this.modelsDir = modelsDir;
    this.limits = limits;
  }

  /** Runs `use` with the model, which stays in memory meanwhile. @throws ForgeError not_found, wrong_state */
  async with<T>(name: string, signal: AbortSignal, use: (model: LoadedModel) => Promise<T>): Promise<T> {
    const entry = await this.acquire(name);
    try {
      return await use(await entry.loading);
    } finally {
      entry.users--;
      entry.usedAt = performance.now();
      if (entry.doomed) this.forget(name, entry);
      this.shrink(0);
    }
  }

  /** Names of the models in memory. */
  names(): string[] {
    return [...this.entries.keys()];
  }

  /** Counts the caller as a user before it lets anybody else run, so that nothing is unloaded under it. */
  private async acquire(name: string): Promise<Entry> {
    const stored = await readStored(this.modelsDir, name);
    const path = ggufPath(this.modelsDir, name);
    const size = stored === undefined ? 0 : (await stat(path)).size;
    const held = this.entries.get(name);
    if (held !== undefined && held.digest === stored?.ggufDigest) {
      held.users++;
      return held;
    }
    // Removed or replaced on disk: whoever still uses the old one keeps it to the end.
    if (held !== undefined) this.forget(name, held);
    if (stored === undefined) throw new ForgeError('not_found', `model "${name}" not found`, { field: 'model' });
    this.shrink(size);
    const bytes = [...this.entries.values()].reduce((sum, one) => sum + one.size, size);
    // One model alone is always tried, however large; a further one waits until those in use are done.
    if (this.entries.size > 0 && (this.entries.size + 1 > this.limits.models || bytes > this.limits.bytes)) {
      throw new ForgeError('rate_limited', `model "${name}" has to wait: the models in use fill the memory that the engine may take`, { retryAfterSeconds: 5 });
    }
    const entry: Entry = { digest: stored.ggufDigest, size, usedAt: performance.now(), users: 1, doomed: false, loading: loadModel(this.llama, path, size, stored, this.limits) };
    this.entries.set(name, entry);
    entry.loading.catch(() => this.entries.get(name) === entry && this.entries.delete(name));
    return entry;
  }

  /** Unloads idle models, least recently used first, until `coming` bytes more fit. Busy ones are let finish. */
  private shrink(coming: number): void {
    const idle = [...this.entries].filter(([, entry]) => entry.users === 0).sort(([, a], [, b]) => a.usedAt - b.usedAt);
    for (const [name, entry] of idle) {
      const count = this.entries.size + (coming > 0 ? 1 : 0);
      const bytes = [...this.entries.values()].reduce((sum, { size }) => sum + size, coming);
      if (count <= this.limits.models && bytes <= this.limits.bytes) return;
      this.forget(name, entry);
    }
  }

  /** Out of the list now, out of memory when its last user is done. */
  private forget(name: string, entry: Entry): void {
    if (this.entries.get(name) === entry) this.entries.delete(name);
    entry.doomed = true;
    if (entry.users === 0) void entry.loading.then((model) => model.dispose(), () => undefined);
  }
}
