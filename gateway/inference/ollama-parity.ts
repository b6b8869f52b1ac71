import { ForgeError } from '../../core/errors.ts';
import type { Rendering } from './export-record.ts';
import { withoutBos } from './ollama-tokens.ts';
import { checkParity } from './parity.ts';
import type { UpstreamHttp } from './upstream-http.ts';

interface OllamaChatAnswer {
  _debug_info?: { rendered_template?: string };
  prompt_eval_count?: number;
}

/**
 * Compares Ollama's prompts with the trainer's. `_debug_render_only` makes Ollama return the text it would run.
 * Ollama does not show tokens, but counts those it read: that is compared too, for which it generates one token.
 * @param bos what Ollama adds before the text by itself
 */
export async function checkOllamaParity(http: UpstreamHttp, url: string, name: string, renderings: readonly Rendering[], bos: string, signal: AbortSignal): Promise<void> {
  const ask = async (messages: Rendering['messages'], more: object): Promise<OllamaChatAnswer> => {
    const body = JSON.stringify({ model: name, messages, stream: false, ...more });
    const { status, value, text } = await http.json({ method: 'POST', url: `${url}/api/chat`, body, signal });
    if (status !== 200) throw new ForgeError(status < 500 ? 'wrong_state' : 'unavailable', `${name}: Ollama could not render a conversation of the export (status ${status}): ${text.slice(0, 300)}`);
    return value as OllamaChatAnswer;
  };
  // Ollama always writes the generation prompt, so only such renderings can be compared.
  const comparable = renderings.filter((rendering) => rendering.add_generation_prompt).map((rendering) => ({ ...rendering, text: withoutBos(rendering.text, bos) }));
  await checkParity(name, comparable, async ({ messages }) => {
    const text = (await ask(messages, { _debug_render_only: true }))._debug_info?.rendered_template;
    if (text === undefined) throw new ForgeError('unavailable', 'This Ollama can’t show its prompts (_debug_render_only), so the chat template can’t be checked; use 0.12 or later');
    return { text };
  });
  await checkParity(name, comparable, async ({ messages, text }) => {
    const { prompt_eval_count: tokenCount } = await ask(messages, { options: { num_predict: 1, temperature: 0 } });
    return { text, ...(tokenCount === undefined ? {} : { tokenCount }) };
  });
}
