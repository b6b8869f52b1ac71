import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LlamaModel, Token } from 'node-llama-cpp';
import { readBody } from '../../openai/request-body.ts';
import { invalid } from '../../../core/errors.ts';
import { sendChoices } from './choices.ts';
import { completionForm } from './completion-form.ts';
import type { EmbeddedCompletionRequest } from './completion-request.ts';
import { readCompletionRequest } from './completion-request.ts';
import { fillInTheMiddle } from './fill-in-the-middle.ts';
import { checkRoom, generate } from './generation.ts';
import type { LoadedModel } from './loaded-model.ts';
import type { ModelCache } from './model-cache.ts';
import { checkBias, seedOf } from './sampling.ts';
import type { TextInput } from './text-input.ts';
import { inputTokens } from './text-input.ts';

/** POST /v1/completions of the engine, in OpenAI's form. All prompts of a request are answered in one place, one after another. */
export async function completionRoute(request: IncomingMessage, response: ServerResponse, cache: ModelCache): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const wanted = readCompletionRequest(await readBody(request));
  await cache.with(wanted.model, gone.signal, async (loaded) => {
    checkBias(wanted.sampling.bias, loaded.vocabularySize, (token) => loaded.model.isEogToken(token));
    const prompts = wanted.prompts.map((input) => promptTokens(loaded, input, wanted));
    for (const prompt of prompts) checkRoom(loaded, 'prompt', prompt);
    const echoes = wanted.prompts.map((input) => (wanted.echo ? textOf(loaded.model, input) : undefined));
    const { sampling, maxTokens, scores } = wanted;
    await loaded.slots.lend(gone.signal, (sequence) =>
      sendChoices(
        response,
        {
          head: { id: `cmpl-${randomUUID()}`, created: Math.floor(Date.now() / 1000), model: wanted.model },
          form: completionForm(scores !== undefined, (index) => echoes[Math.floor(index / wanted.n)]),
          choices: prompts.flatMap((prompt) => Array.from({ length: wanted.n }, (_, i) => ({ start: () => generate(loaded, sequence, { prompt, sampling: seedOf(sampling, i), maxTokens, scores }, gone.signal) }))),
          promptTokens: prompts.reduce((sum, prompt) => sum + prompt.length, 0),
          stream: wanted.stream,
          includeUsage: wanted.includeUsage,
        },
        gone.signal,
      ),
    );
  });
}

function promptTokens(loaded: LoadedModel, input: TextInput, { suffix }: EmbeddedCompletionRequest): Token[] {
  const { model } = loaded;
  const beginning = model.tokens.shouldPrependBosToken && model.tokens.bos !== null ? [model.tokens.bos] : [];
  // After a mark no tokenizer may add its space.
  if (suffix !== undefined) return fillInTheMiddle(model, beginning, typeof input === 'string' ? model.tokenize(input, false, 'trimLeadingSpace') : inputTokens('prompt', input, loaded), suffix);
  const tokens = inputTokens('prompt', input, loaded);
  const prompt = typeof input !== 'string' || tokens[0] === beginning[0] ? tokens : [...beginning, ...tokens];
  if (prompt.length === 0) throw invalid('prompt', 'must not be empty: this model has no token to begin with');
  return prompt;
}

function textOf(model: LlamaModel, input: TextInput): string {
  return typeof input === 'string' ? input : model.detokenize(input as Token[], true);
}
