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
  // The last one that is an object: a stream may have `"usage":null` in every event.
  let usage = '';
  for (let at = end.lastIndexOf('"usage"'); at >= 0 && usage === ''; at = at === 0 ? -1 : end.lastIndexOf('"usage"', at - 1)) {
    usageKey.lastIndex = at;
    if (usageKey.test(end)) usage = end.slice(at);
  }
  return { prompt: numberAfter(promptKey, usage), completion: numberAfter(completionKey, usage) };
}

const usageKey = /"usage"\s*:\s*\{/y;
const promptKey = /"(?:prompt_tokens|input_tokens)"\s*:\s*(\d{1,15})/;
const completionKey = /"(?:completion_tokens|output_tokens)"\s*:\s*(\d{1,15})/;

function numberAfter(key: RegExp, text: string): number | undefined {
  const digits = key.exec(text)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
