import type { Llama } from 'node-llama-cpp';
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';
import type { Logger } from '../../../core/logger.ts';

/** Loads the prebuilt llama.cpp of node-llama-cpp; nothing is ever compiled or downloaded. */
export function loadLibrary(threads: number, logger: Logger): Promise<Llama> {
  return getLlama({
    // Only Apple's package has its GPU library inside; the others are for the CPU.
    gpu: process.platform === 'darwin' ? 'auto' : false,
    build: 'never',
    skipDownload: true,
    progressLogs: false,
    maxThreads: threads,
    logLevel: LlamaLogLevel.error,
    logger: (_level, message) => logger.warn('llama.cpp', { message: message.trim() }),
  });
}
