import { createRequire, syncBuiltinESMExports } from 'node:module';
import type { Due, Kernel } from './kernel.ts';
import type { MemoryFiles } from './memory-files.ts';

const require = createRequire(import.meta.url);
const timersPromises = require('node:timers/promises') as Record<string, unknown>;
const crypto = require('node:crypto') as Record<string, unknown>;
const filesPromises = require('node:fs/promises') as Record<string, unknown>;

/** Where the simulated wall clock starts. */
const startOfTime = Date.UTC(2026, 0, 1);

/**
 * Puts simulated time, randomness and files into the place of the real ones, for everything in this process, so that the
 * services' own code runs in the simulation as it is. Only for a process that does nothing else.
 * @returns how to put the real ones back
 */
export function enterVirtualWorld(kernel: Kernel, random: () => number, files: MemoryFiles): () => void {
  const timer = (ms: number | undefined, act: () => void): Due => kernel.in(Math.max(1, ms ?? 1), kernel.current, act);
  const asTimeout = (due: { cancelled: boolean }): unknown => Object.assign(due, { unref: () => due, ref: () => due, hasRef: () => true });
  const cancel = (due: { cancelled: boolean } | undefined): void => {
    if (due !== undefined && due !== null) due.cancelled = true;
  };
  const eightDigits = (): string => Math.floor(random() * 2 ** 32).toString(16).padStart(8, '0');

  const replaced: [object, string, unknown][] = [
    [Date, 'now', () => startOfTime + Math.floor(kernel.now) + (kernel.current?.clockAheadMs ?? 0)],
    [performance, 'now', () => kernel.now],
    [globalThis, 'setTimeout', (act: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) => asTimeout(timer(ms, () => act(...args)))],
    [globalThis, 'clearTimeout', cancel],
    [globalThis, 'setInterval', (act: () => void, ms: number) => {
      const interval = { cancelled: false };
      const again = (): void => void timer(ms, () => {
        if (interval.cancelled) return;
        again();
        act();
      });
      again();
      return asTimeout(interval);
    }],
    [globalThis, 'clearInterval', cancel],
    [timersPromises, 'setTimeout', (ms: number, value?: unknown, options: { signal?: AbortSignal } = {}) =>
      new Promise((resolve, reject) => {
        const { signal } = options;
        const fail = (): void => {
          due.cancelled = true;
          reject(Object.assign(new Error('aborted'), { name: 'AbortError', code: 'ABORT_ERR' }));
        };
        const due = timer(ms, () => {
          signal?.removeEventListener('abort', fail);
          resolve(value);
        });
        if (signal?.aborted) fail();
        else signal?.addEventListener('abort', fail, { once: true });
      })],
    [crypto, 'randomUUID', () => `${eightDigits()}-0000-4000-8000-0000${eightDigits()}`],
    [crypto, 'randomBytes', (size: number) => Buffer.from(Array.from({ length: size }, () => Math.floor(random() * 256)))],
    ...Object.entries(files.operations).map(([name, operation]) => [filesPromises, name, operation] as [object, string, unknown]),
  ];
  const kept = replaced.map(([owner, name]) => Object.getOwnPropertyDescriptor(owner, name));
  for (const [owner, name, value] of replaced) Object.defineProperty(owner, name, { value, configurable: true, writable: true, enumerable: true });
  syncBuiltinESMExports();
  return () => {
    replaced.forEach(([owner, name], index) => {
      if (kept[index] === undefined) delete (owner as Record<string, unknown>)[name];
      else Object.defineProperty(owner, name, kept[index]);
    });
    syncBuiltinESMExports();
  };
}
