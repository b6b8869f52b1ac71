import { ForgeError } from '../../core/errors.ts';

/** How many requests may be open at once. None waits for a place: it would hold memory for a client that may be gone. */
export interface AccessLimits {
  requests: number;
  /** The same for one key. */
  requestsPerKey: number;
  /** Of those, what asks a model. */
  inference: number;
  /** The same for one key. */
  inferencePerKey: number;
}

/** Counts what is open. */
export interface Tally {
  /**
   * @param keyId undefined while keys are off
   * @returns to be called once, at the end
   * @throws ForgeError rate_limited
   */
  enter(keyId: string | undefined, inference: boolean): () => void;
}

/** After so long a try makes sense: how long a place stays taken is not known. */
const retryAfterSeconds = 1;

export function createTally(limits: AccessLimits): Tally {
  const all = { requests: 0, inference: 0 };
  const byKey = new Map<string, { requests: number; inference: number }>();
  const full = (what: string, limit: number, setting: string): ForgeError =>
    new ForgeError('rate_limited', `${what}: ${limit} are open, the limit (${setting}); try again when one has ended`, { retryAfterSeconds });

  return {
    enter(keyId, asksModel) {
      const ofKey = keyId === undefined ? undefined : (byKey.get(keyId) ?? { requests: 0, inference: 0 });
      if (all.requests >= limits.requests) throw full('too many requests', limits.requests, 'FORGE_MAX_REQUESTS');
      if (ofKey !== undefined && ofKey.requests >= limits.requestsPerKey) throw full('too many requests by this API key', limits.requestsPerKey, 'FORGE_MAX_REQUESTS_PER_KEY');
      if (asksModel && all.inference >= limits.inference) throw full('too many requests to models', limits.inference, 'FORGE_MAX_INFERENCE');
      if (asksModel && ofKey !== undefined && ofKey.inference >= limits.inferencePerKey) throw full('too many requests to models by this API key', limits.inferencePerKey, 'FORGE_MAX_INFERENCE_PER_KEY');
      if (ofKey !== undefined && ofKey.requests === 0) byKey.set(keyId!, ofKey);
      const add = (by: 1 | -1): void => {
        for (const count of ofKey === undefined ? [all] : [all, ofKey]) {
          count.requests += by;
          if (asksModel) count.inference += by;
        }
      };
      add(1);
      let left = false;
      return () => {
        if (left) return;
        left = true;
        add(-1);
        if (ofKey?.requests === 0) byKey.delete(keyId!);
      };
    },
  };
}
