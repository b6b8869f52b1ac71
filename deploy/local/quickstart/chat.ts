import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { Api } from './api.ts';
import type { Terminal } from './terminal.ts';

export interface Asked {
  promptTokens: number | undefined;
  completionTokens: number | undefined;
  seconds: number;
  firstTokenSeconds: number | undefined;
}

/** Asks the model a question by `/v1/chat/completions` with `stream: true` and shows the answer as it comes. */
export async function ask(api: Api, model: string, question: string, terminal: Terminal): Promise<Asked> {
  const begin = performance.now();
  const since = (): number => (performance.now() - begin) / 1000;
  const asked: Asked = { promptTokens: undefined, completionTokens: undefined, seconds: 0, firstTokenSeconds: undefined };
  const body = { model, messages: [{ role: 'user', content: question }], stream: true, stream_options: { include_usage: true }, max_tokens: 120, temperature: 0.3, seed: 1 };
  const lines = createInterface({ input: Readable.from(await api.stream('/v1/chat/completions', body)), crlfDelay: Infinity });
  const shown = withoutEmptyRuns();
  let done = false;
  for await (const line of lines) {
    if (!line.startsWith('data:')) continue;
    const data = line.slice('data:'.length).trim();
    if (data === '[DONE]') { done = true; break; }
    const chunk = JSON.parse(data) as { error?: { message?: string }; choices?: { delta?: { content?: string | null } }[]; usage?: { prompt_tokens: number; completion_tokens: number } | null };
    if (chunk.error !== undefined) throw new Error(`the answer broke off: ${chunk.error.message ?? 'unknown error'}`);
    const text = chunk.choices?.[0]?.delta?.content ?? '';
    if (text !== '') {
      asked.firstTokenSeconds ??= since();
      terminal.raw(shown(text));
    }
    if (chunk.usage) [asked.promptTokens, asked.completionTokens] = [chunk.usage.prompt_tokens, chunk.usage.completion_tokens];
  }
  terminal.line('');
  if (!done) throw new Error('the answer ended without its [DONE]');
  asked.seconds = since();
  return asked;
}

/** A model that knows little likes empty lines; on the screen a run of them is one. */
function withoutEmptyRuns(): (text: string) => string {
  let breaks = 0;
  return (text) => [...text].filter((character) => {
    if (character === '\n') breaks += 1;
    else if (character.trim() !== '') breaks = 0;
    return character !== '\n' || breaks <= 2;
  }).join('');
}
