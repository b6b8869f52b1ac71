/** Where a backend's answer may have its `usage`: near its end, in the last event of a stream or member of an object. */
const keptBytes = 2048;

/** Keeps the end of an answer as it passes, without a copy. */
export class AnswerEnd {
  #chunks: Uint8Array[] = [];
  #bytes = 0;

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    while (this.#chunks.length > 1 && this.#bytes - this.#chunks[0]!.length >= keptBytes) this.#bytes -= this.#chunks.shift()!.length;
  }

  text(): string {
    return Buffer.concat(this.#chunks).subarray(-keptBytes).toString('latin1');
  }
}

/**
 * The tokens that an answer says it took. In a JSON text `"usage":` with bare quotes can only be a key: in a string its
 * quotes would be escaped.
 * @returns undefined for what it does not say
 */
export function readUsage(end: string): { prompt: number | undefined; completion: number | undefined } {
  const at = end.search(/"usage"\s*:\s*\{(?![\s\S]*"usage"\s*:\s*\{)/);
  const usage = at < 0 ? '' : end.slice(at);
  const number = (...names: string[]): number | undefined => {
    const text = new RegExp(`"(?:${names.join('|')})"\\s*:\\s*(\\d{1,15})`).exec(usage)?.[1];
    return text === undefined ? undefined : Number(text);
  };
  return { prompt: number('prompt_tokens', 'input_tokens'), completion: number('completion_tokens', 'output_tokens') };
}
