import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** What turns a model into GGUF. */
export interface LlamaTools {
  /** Folder with libllama of the npm package `@node-llama-cpp/<platform>`. */
  libraryDir: string;
  /** Folder with llama.cpp's convert_hf_to_gguf.py and gguf-py, in the trainer's Python environment. */
  converterDir: string;
}

/** A missing folder is the trainer's to report, when an export needs it. */
export async function findLlamaTools(nodeModules: string, python: string, platform = process.platform, arch = process.arch): Promise<LlamaTools> {
  const name = platform === 'darwin' ? (arch === 'arm64' ? 'mac-arm64-metal' : 'mac-x64') : `linux-${arch}`;
  const bins = join(nodeModules, '@node-llama-cpp', name, 'bins');
  const [first] = (await readdir(bins).catch(() => [])).sort();
  return { libraryDir: join(bins, first ?? name), converterDir: join(dirname(python), '..', 'share', 'llama-converter') };
}
