import { invalid } from '../../../core/errors.ts';
import type { OpenAiEndpoint } from '../backend.ts';

/** A parameter of OpenAI's that the engine can't do: asking for it is refused, so that nobody believes it was done. */
export interface EngineUnsupported {
  endpoint: OpenAiEndpoint;
  /** Outermost name in the request. */
  parameter: string;
  /** Which values are refused, in words for the docs and as a test. Null and absence never ask for anything. */
  refused: { words: string; test(value: unknown): boolean };
  /** What to do instead. */
  remedy: string;
}

/** All but values that ask for what is done anyway. */
const otherThan = (...same: unknown[]): EngineUnsupported['refused'] => {
  const texts = same.map((value) => JSON.stringify(value));
  return { words: texts.length === 0 ? 'any value' : `other than ${texts.join(' or ')}`, test: (value) => !texts.includes(JSON.stringify(value)) };
};
const leaveOut = 'leave it out';
const tools = 'leave it out, or use Ollama with a model that calls tools';

/** All that the engine refuses by name alone; what is not here, and not read either, passes. */
export const engineUnsupported: readonly EngineUnsupported[] = [
  { endpoint: 'chat/completions', parameter: 'tools', refused: otherThan([]), remedy: tools },
  { endpoint: 'chat/completions', parameter: 'tool_choice', refused: otherThan('none', 'auto'), remedy: tools },
  { endpoint: 'chat/completions', parameter: 'functions', refused: otherThan([]), remedy: tools },
  { endpoint: 'chat/completions', parameter: 'function_call', refused: otherThan('none', 'auto'), remedy: tools },
  { endpoint: 'chat/completions', parameter: 'modalities', refused: otherThan(['text']), remedy: leaveOut },
  { endpoint: 'chat/completions', parameter: 'audio', refused: otherThan(), remedy: leaveOut },
  { endpoint: 'chat/completions', parameter: 'prediction', refused: otherThan(), remedy: leaveOut },
  { endpoint: 'chat/completions', parameter: 'reasoning_effort', refused: otherThan('none'), remedy: leaveOut },
  { endpoint: 'chat/completions', parameter: 'verbosity', refused: otherThan('medium'), remedy: 'ask for it in a message' },
  { endpoint: 'chat/completions', parameter: 'web_search_options', refused: otherThan(), remedy: leaveOut },
  { endpoint: 'chat/completions', parameter: 'store', refused: otherThan(false), remedy: leaveOut },
  { endpoint: 'chat/completions', parameter: 'service_tier', refused: otherThan('auto', 'default'), remedy: leaveOut },
  { endpoint: 'completions', parameter: 'best_of', refused: otherThan(1), remedy: 'use n and choose' },
];

/** @throws ForgeError invalid_argument, naming the first parameter that the engine can't do */
export function refuseUnsupported(endpoint: OpenAiEndpoint, request: Readonly<Record<string, unknown>>): void {
  for (const { parameter, refused, remedy } of engineUnsupported.filter((row) => row.endpoint === endpoint)) {
    const value = request[parameter] ?? undefined;
    if (value !== undefined && refused.test(value)) throw invalid(parameter, `the embedded engine does not support ${refused.words === 'any value' ? 'this' : `values ${refused.words}`}; ${remedy}`);
  }
}
