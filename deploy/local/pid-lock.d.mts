export interface LockOwner { pid: number; [key: string]: unknown }
export type Lock =
  | { held: true; release(): void; update(about: Record<string, unknown>): void }
  | { held: false; owner: LockOwner };
export function takeLock(path: string, about?: Record<string, unknown>): Lock;
export function readLock(path: string): LockOwner | undefined;
export function isAlive(owner: LockOwner): boolean;
export function identify(pid: number): { pid: number; started: string };
