import type { ExportRecord, TemplateMessage } from './export-record.ts';
import { exportedTemplate } from './chat-template.ts';

/** BPE pre-tokenizers for which llama.cpp adds BOS although the file says nothing (llama-vocab.cpp). */
const bosByDefault = ['llama3', 'llama-v3', 'llama-bpe', 'falcon3', 'falcon-h1', 'pixtral', 'midm-2.0', 'lfm2', 'tekken'];

/**
 * Ollama puts BOS before each prompt itself when the GGUF says so (or by llama.cpp's default for its kind of tokenizer).
 * There, the template must not write it a second time.
 * @param gguf the model's file
 * @returns the BOS that Ollama adds; empty when it adds none
 */
export async function addedBos(gguf: string, record: ExportRecord): Promise<string> {
  // Only needed at deployment, and slow to load.
  const { readGgufFileInfo } = await import('node-llama-cpp');
  const { metadata } = await readGgufFileInfo(gguf, { readTensorInfo: false });
  const tokenizer = metadata.tokenizer?.ggml;
  const byDefault = tokenizer?.model === 'llama' || bosByDefault.includes(String(tokenizer?.pre));
  return (tokenizer?.add_bos_token ?? byDefault) ? (record.bos_token ?? '') : '';
}

/** The trainer's template as Ollama has to write it: without the BOS that Ollama adds. */
export function ollamaRender(record: ExportRecord, bos: string): (messages: TemplateMessage[]) => string {
  const template = exportedTemplate(record);
  return (messages) => withoutBos(template.render(messages, true), bos);
}

export function withoutBos(text: string, bos: string): string {
  return text.startsWith(bos) ? text.slice(bos.length) : text;
}
