import { invalid } from '../../../core/errors.ts';
import type { OpenAiEndpoint } from '../backend.ts';
import { firstRefused, otherThan, type Unsupported } from '../refused-parameter.ts';

const leaveOut = 'leave it out';
const tools = 'leave it out, or use Ollama with a model that calls tools';

/** All that the engine refuses by name alone; what is not here, and not read either, passes. */
export const engineUnsupported: readonly Unsupported[] = [
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
  const row = firstRefused(engineUnsupported.filter((row) => row.endpoint === endpoint), request);
  if (row !== undefined) throw invalid(row.parameter, `the embedded engine does not support ${row.refused.words === 'any value' ? 'this' : `values ${row.refused.words}`}; ${row.remedy}`);
}
