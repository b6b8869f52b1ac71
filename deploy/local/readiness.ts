/** What has to be there before the service can be used; the inference backend may come later. */
const needed = ['nats', 'agent', 'guardian'];

/**
 * Asks `/health` until nothing that is needed is away.
 * @returns what is still away at the deadline; empty when all is there
 */
export async function waitUntilHealthy(url: string, limitMs: number, signal: AbortSignal): Promise<string[]> {
  let away: string[] = needed;
  for (const end = performance.now() + limitMs; performance.now() < end && !signal.aborted; ) {
    try {
      const response = await fetch(new URL('/health', url), { signal: AbortSignal.any([signal, AbortSignal.timeout(3_000)]) });
      const body = await response.json() as { degraded?: unknown };
      away = Array.isArray(body.degraded) ? body.degraded.filter((name): name is string => needed.includes(name as string)) : [];
      if (away.length === 0) return [];
    } catch {
      away = ['gateway'];
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return away;
}
