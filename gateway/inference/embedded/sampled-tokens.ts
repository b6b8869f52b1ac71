import type { LlamaContextSequence, Token } from 'node-llama-cpp';
import { LlamaGrammarEvaluationState, TokenBias } from 'node-llama-cpp';
import type { Generation, NextToken } from './generation.ts';
import type { LoadedModel } from './loaded-model.ts';
import { topK } from './sampling.ts';

/**
 * Tokens as llama.cpp samples them, until the model ends its text.
 * @param generated grows as the caller takes tokens; penalties are counted in it
 */
export async function* sampledTokens(loaded: LoadedModel, sequence: LlamaContextSequence, { prompt, sampling, grammar }: Generation, generated: readonly Token[]): AsyncGenerator<NextToken> {
  const { temperature, topP, seed, frequencyPenalty, presencePenalty } = sampling;
  const bias = new TokenBias(loaded.model.tokenizer);
  for (const [token, logit] of sampling.bias) bias.set(token, { logit });
  const options = {
    temperature,
    topP,
    topK,
    minP: 0,
    seed,
    ...(sampling.bias.size === 0 ? {} : { tokenBias: bias }),
    ...(grammar === undefined ? {} : { grammarEvaluationState: new LlamaGrammarEvaluationState({ model: loaded.model, grammar }) }),
    ...(frequencyPenalty === 0 && presencePenalty === 0
      ? {}
      : { repeatPenalty: { punishTokens: () => [...generated], maxPunishTokens: loaded.contextTokens, penalty: 1, frequencyPenalty, presencePenalty } }),
  };
  for await (const token of sequence.evaluate(prompt.slice(sequence.nextTokenIndex), options)) yield { token };
}
