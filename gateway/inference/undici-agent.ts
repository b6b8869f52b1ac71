import { createRequire } from 'node:module';
import type { Agent as AgentType } from 'undici';

/**
 * undici's Agent alone, from where the package keeps it: its index loads fetch, WebSocket, caches and mocks too, which
 * take 13 MiB that nobody here uses (measured with undici 8.12 on Node 24).
 */
export const Agent = createRequire(import.meta.url)('undici/lib/dispatcher/agent.js') as typeof AgentType;
