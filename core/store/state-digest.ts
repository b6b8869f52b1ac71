import { createHash } from 'node:crypto';
import { inSlices } from '../in-slices.ts';
import type { Head } from './fold.ts';
import type { Replay } from './replay.ts';

/** What all aggregates are at a sequence, kind by kind, as SHA-256 in hex. */
export interface StateDigest {
  sequence: number;
  kinds: Record<string, string>;
}

/**
 * Digest of the folded state as it is at the call, however it moves on meanwhile: states are never changed, so a list
 * of them is a snapshot. Two folds of one history have the same digest.
 */
export async function digestState(replay: Replay): Promise<StateDigest> {
  const { sequence } = replay;
  const snapshot = replay.kinds().map((kind): [string, [string, Head][]] => [kind, [...replay.heads(kind)]]);
  const kinds: Record<string, string> = {};
  for (const [kind, heads] of snapshot) {
    const hash = createHash('sha256');
    for await (const [id, { version, sha256, state, idempotencySha256 }] of inSlices(heads)) hash.update(`${canonical([id, { version, sha256, state, idempotencySha256 }])}\n`);
    kinds[kind] = hash.digest('hex');
  }
  return { sequence, kinds };
}

/** JSON with sorted keys, and with a form of their own for what JSON lacks. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item === 'bigint') return { bigint: String(item) };
    if (typeof item === 'number' && !Number.isFinite(item)) return { number: String(item) };
    if (item instanceof Uint8Array) return { bytes: Buffer.from(item).toString('hex') };
    if (item === null || typeof item !== 'object' || Array.isArray(item)) return item;
    return Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
