import { ForgeError } from '../../core/errors.ts';

/** How many requests may be open at once. None waits for a place: it would hold memory for a client that may be gone. */
export interface AccessLimits {
  requests: number;
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
  let requests = 0;
  let inference = 0;
  const byKey = new Map<string, number>();
  const full = (what: string, limit: number, setting: string): ForgeError =>
    new ForgeError('rate_limited', `${what}: ${limit} are open, the limit (${setting}); try again when one has ended`, { retryAfterSeconds });

  return {
    enter(keyId, asksModel) {
      const ofKey = keyId === undefined ? 0 : (byKey.get(keyId) ?? 0);
      if (requests >= limits.requests) throw full('too many requests', limits.requests, 'FORGE_MAX_REQUESTS');
      if (asksModel && inference >= limits.inference) throw full('too many requests to models', limits.inference, 'FORGE_MAX_INFERENCE');
      if (asksModel && ofKey >= limits.inferencePerKey) throw full('too many requests to models by this API key', limits.inferencePerKey, 'FORGE_MAX_INFERENCE_PER_KEY');
      requests += 1;
      if (asksModel) inference += 1;
      if (asksModel && keyId !== undefined) byKey.set(keyId, ofKey + 1);
      let left = false;
      return () => {
        if (left) return;
        left = true;
        requests -= 1;
        if (!asksModel) return;
        inference -= 1;
        if (keyId === undefined) return;
        const rest = byKey.get(keyId)! - 1;
        if (rest === 0) byKey.delete(keyId);
        else byKey.set(keyId, rest);
      };
    },
  };
}
