import { ForgeError } from '../../core/errors.ts';
import { refusedKey } from './backend-failure.ts';
import type { BackendModel, BackendResponse, OpenAiEndpoint } from './backend.ts';
import type { CancelSignal } from './cancel.ts';
import type { UpstreamHttp } from './upstream-http.ts';

/** A probe that takes longer than this counts as no answer. */
export const probeMs = 800;

/** The calls that all OpenAI-compatible servers share. `base` ends in `/v1`. */
export function createOpenAiClient(http: UpstreamHttp, base: () => string) {
  return {
    send(endpoint: OpenAiEndpoint, body: Uint8Array, signal: CancelSignal): Promise<BackendResponse> {
      return http.send({ method: 'POST', url: `${base()}/${endpoint}`, body, signal });
    },

    async available(signal: AbortSignal, path = '/models'): Promise<boolean> {
      return answers(http, `${base()}${path}`, signal);
    },

    /** OpenAI's list has no sizes. */
    async models(signal: AbortSignal): Promise<BackendModel[]> {
      const { status, value, text } = await http.json({ method: 'GET', url: `${base()}/models`, signal });
      const data = (value as { data?: unknown } | undefined)?.data;
      if (status === 401) throw refusedKey();
      if (status !== 200 || !Array.isArray(data)) throw new ForgeError('unavailable', `The list of models could not be read (status ${status}): ${text.slice(0, 200)}`);
      return data.filter((m): m is { id: string; created?: number } => typeof m?.id === 'string').map((m) => ({ name: m.id, modifiedAt: new Date((m.created ?? 0) * 1000) }));
    },
  };
}

/** Whether a GET is answered with a status below 500 in time. Never throws. */
export async function answers(http: UpstreamHttp, url: string, signal: AbortSignal): Promise<boolean> {
  try {
    const { status } = await http.json({ method: 'GET', url, signal: AbortSignal.any([signal, AbortSignal.timeout(probeMs)]) });
    return status < 500;
  } catch {
    return false;
  }
}
