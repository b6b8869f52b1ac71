import { invalid } from '../../core/errors.ts';
import type { BackendKind, OpenAiEndpoint } from '../inference/backend.ts';
import { engineUnsupported } from '../inference/embedded/unsupported.ts';
import { firstRefused, otherThan, type Refused, type Unsupported } from '../inference/refused-parameter.ts';

const anyValue = otherThan();
const tokenIds: Refused = {
  words: 'token ids',
  test: (value) => Array.isArray(value) && value.some((item) => typeof item === 'number' || Array.isArray(item)),
};
const severalTexts: Refused = { words: 'several prompts, or token ids', test: (value) => Array.isArray(value) && (value.length !== 1 || typeof value[0] !== 'string') };

const leaveOut = 'leave it out';
const oneAtATime = 'ask several times';
const tools = 'leave it out: the model decides whether and which tools it calls';
const history = 'send the whole conversation in `input`';

/**
 * By backend, found by trying: openai-parameters.test.ts asks a real Ollama for each row. What is not here is passed on,
 * also what nobody knows yet. An upstream server is not ours to know: it answers for itself.
 */
export const unsupported: Readonly<Record<BackendKind, readonly Unsupported[]>> = {
  upstream: [],
  embedded: engineUnsupported,
  ollama: [
    { endpoint: 'chat/completions', parameter: 'n', refused: otherThan(1), remedy: oneAtATime },
    { endpoint: 'chat/completions', parameter: 'logit_bias', refused: otherThan({}), remedy: leaveOut },
    { endpoint: 'chat/completions', parameter: 'tool_choice', refused: otherThan('auto'), remedy: tools },
    { endpoint: 'chat/completions', parameter: 'parallel_tool_calls', refused: otherThan(true), remedy: tools },
    { endpoint: 'chat/completions', parameter: 'functions', refused: otherThan([]), remedy: 'use `tools`' },
    { endpoint: 'chat/completions', parameter: 'function_call', refused: otherThan('auto'), remedy: 'use `tools`' },
    { endpoint: 'chat/completions', parameter: 'modalities', refused: otherThan(['text']), remedy: leaveOut },
    { endpoint: 'chat/completions', parameter: 'audio', refused: anyValue, remedy: leaveOut },
    { endpoint: 'chat/completions', parameter: 'prediction', refused: anyValue, remedy: leaveOut },
    { endpoint: 'chat/completions', parameter: 'verbosity', refused: otherThan('medium'), remedy: 'ask for it in a message' },
    { endpoint: 'chat/completions', parameter: 'web_search_options', refused: anyValue, remedy: leaveOut },
    { endpoint: 'chat/completions', parameter: 'store', refused: otherThan(false), remedy: leaveOut },
    { endpoint: 'chat/completions', parameter: 'service_tier', refused: otherThan('auto', 'default'), remedy: leaveOut },
    { endpoint: 'completions', parameter: 'prompt', refused: severalTexts, remedy: `give one text, or ${oneAtATime}` },
    { endpoint: 'completions', parameter: 'max_tokens', refused: { words: '0', test: (value) => value === 0 }, remedy: 'ask for one token at least' },
    { endpoint: 'completions', parameter: 'n', refused: otherThan(1), remedy: oneAtATime },
    { endpoint: 'completions', parameter: 'best_of', refused: otherThan(1), remedy: oneAtATime },
    { endpoint: 'completions', parameter: 'echo', refused: otherThan(false), remedy: 'put the prompt before the answer' },
    { endpoint: 'completions', parameter: 'logit_bias', refused: otherThan({}), remedy: leaveOut },
    { endpoint: 'completions', parameter: 'logprobs', refused: anyValue, remedy: 'use POST /v1/chat/completions, which has them' },
    { endpoint: 'embeddings', parameter: 'input', refused: tokenIds, remedy: 'give texts' },
    { endpoint: 'responses', parameter: 'background', refused: otherThan(false), remedy: leaveOut },
    { endpoint: 'responses', parameter: 'conversation', refused: anyValue, remedy: history },
    { endpoint: 'responses', parameter: 'previous_response_id', refused: anyValue, remedy: history },
    { endpoint: 'responses', parameter: 'prompt', refused: anyValue, remedy: 'use `instructions` and `input`' },
    { endpoint: 'responses', parameter: 'store', refused: otherThan(false), remedy: leaveOut },
    { endpoint: 'responses', parameter: 'reasoning', refused: otherThan({}), remedy: 'use `reasoning_effort` with POST /v1/chat/completions' },
    { endpoint: 'responses', parameter: 'tool_choice', refused: otherThan('auto'), remedy: tools },
    { endpoint: 'responses', parameter: 'parallel_tool_calls', refused: otherThan(true), remedy: tools },
    { endpoint: 'responses', parameter: 'max_tool_calls', refused: anyValue, remedy: leaveOut },
    { endpoint: 'responses', parameter: 'top_logprobs', refused: otherThan(0), remedy: 'use POST /v1/chat/completions, which has them' },
    { endpoint: 'responses', parameter: 'service_tier', refused: otherThan('auto', 'default'), remedy: leaveOut },
  ],
};

const names: Readonly<Record<BackendKind, string>> = { ollama: 'Ollama', embedded: 'the embedded engine', upstream: 'the upstream server' };

const byEndpoint: Readonly<Record<BackendKind, Map<string, Unsupported[]>>> = { ollama: new Map(), embedded: new Map(), upstream: new Map() };
for (const kind of Object.keys(unsupported) as BackendKind[]) {
  for (const row of unsupported[kind]) byEndpoint[kind].set(row.endpoint, [...(byEndpoint[kind].get(row.endpoint) ?? []), row]);
}

/** @throws ForgeError invalid_argument, naming the first parameter that the backend would leave aside */
export function refuseUnsupported(kind: BackendKind, endpoint: OpenAiEndpoint, request: Readonly<Record<string, unknown>>): void {
  const rows = byEndpoint[kind].get(endpoint);
  const row = rows && firstRefused(rows, request);
  if (row !== undefined) throw invalid(row.parameter, `${names[kind]} does not support ${row.refused.words === 'any value' ? 'it' : row.refused.words}; ${row.remedy}`);
}
