import type { Llama } from 'node-llama-cpp';
import { GgufInsights, readGgufFileInfo } from 'node-llama-cpp';
import { totalmem } from 'node:os';
import { contextShape, embeddingShape } from './context-shape.ts';
import type { LoadLimits } from './loaded-model.ts';

/** Of the machine's memory, where no limit is set: the rest is for training, the system and its file cache. */
const usualShare = 0.5;
/** Estimates remembered, so that a request that waits for its model costs none. */
const mostRemembered = 1000;
const remembered = new Map<string, number>();

/** Bytes that models may take: half of what this machine, or the control group that the process runs in, has. */
export function usualBytes(): number {
  // 0 or a number beyond all memory: no limit is set.
  const limit = process.constrainedMemory();
  return Math.floor((limit > 0 ? Math.min(limit, totalmem()) : totalmem()) * usualShare);
}

/** Bytes of memory that a model takes with its contexts, by llama.cpp's own estimate, which loads nothing. */
export async function estimateBytes(llama: Llama, path: string, digest: string, limits: LoadLimits): Promise<number> {
  const known = remembered.get(digest);
  if (known !== undefined) return known;
  const insights = await GgufInsights.from(await readGgufFileInfo(path), llama);
  const trained = insights.trainContextSize ?? limits.contextTokens;
  const gpuLayers = llama.gpu === false ? 0 : insights.totalLayers;
  const parts = await Promise.all([
    insights.estimateModelResourceRequirementsV2({ gpuLayers }),
    insights.estimateContextResourceRequirementsV2({ modelGpuLayers: gpuLayers, ...contextShape(limits, trained) }),
    insights.estimateContextResourceRequirementsV2({ modelGpuLayers: gpuLayers, isEmbeddingContext: true, ...embeddingShape(limits, trained, insights.ggufFileInfo) }),
  ]);
  const bytes = parts.reduce((sum, part) => sum + part.cpuRam + part.gpuVram, 0);
  if (remembered.size >= mostRemembered) remembered.clear();
  remembered.set(digest, bytes);
  return bytes;
}
