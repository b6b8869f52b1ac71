/** What has to be there before the service can be used; the inference backend may come later. */
const needed = ['nats', 'agent', 'guardian'];

/** What the terminal is told, and the quickstart reads. @param away what `waitUntilHealthy` found */
export function readyLine(url: string, away: readonly string[]): string {
  return away.length === 0 ? `AI Forge is ready on ${url}` : `AI Forge is on ${url}, but not ready: ${away.join(', ')} away`;
}

/** Finds that line in the output of a start. @returns undefined while it is not there */
export function findReadyLine(output: string): { url: string; away: string[] } | undefined {
  const match = /^AI Forge is (?:ready on (\S+)|on (\S+), but not ready: (.+) away)$/m.exec(output);
  if (match === null) return undefined;
  return { url: (match[1] ?? match[2])!, away: match[3]?.split(', ') ?? [] };
}

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
