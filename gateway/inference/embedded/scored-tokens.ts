import type { LlamaContextSequence, Token } from 'node-llama-cpp';
import { randomNumbers } from '../../../core/random-numbers.ts';
import type { Generation, NextToken } from './generation.ts';
import type { LoadedModel } from './loaded-model.ts';
import type { Sampling } from './sampling.ts';
import { topK } from './sampling.ts';

/**
 * Tokens with the logarithms of their probabilities, as the model gave them, before temperature, penalties and bias.
 * llama.cpp's sampler tells only what is left after sampling, so here it is asked for the likeliest tokens' logits, and
 * the choice among them follows its rules: bias, penalties, top_k, top_p, temperature.
 * A seed gives the same text each time, yet another one than without scores.
 */
export async function* scoredTokens(loaded: LoadedModel, sequence: LlamaContextSequence, { prompt, sampling }: Generation, top: number, generated: readonly Token[]): AsyncGenerator<NextToken> {
  const random = randomNumbers(sampling.seed);
  const unread = prompt.slice(sequence.nextTokenIndex);
  if (unread.length > 1) await sequence.evaluateWithoutGeneratingNewTokens(unread.slice(0, -1));
  for (let last = prompt.at(-1)!; ; ) {
    const counts = countsOf(sampling, generated);
    const filter = { tokens: [...sampling.bias.keys(), ...counts.keys()], includeTop: Math.max(topK, top) };
    const [answer] = await sequence.controlledEvaluate([[last, { generateNext: { logits: { filter }, totalLogitWeight: true, options: { temperature: 0 } } }]]);
    const { logits, totalLogitWeight } = answer!.next;
    const likeliest = [...logits!].sort(([, a], [, b]) => b - a);
    // The weight is relative to the greatest logit.
    const zero = likeliest[0]![1] + Math.log(totalLogitWeight!);
    const token = choose(likeliest.map(([one, logit]) => [one, adjusted(one, logit, sampling, counts)]), sampling, random);
    if (loaded.model.isEogToken(token)) return;
    yield { token, logprob: logits!.get(token)! - zero, likeliest: likeliest.slice(0, top).map(([one, logit]) => [one, logit - zero] as const) };
    last = token;
  }
}

function countsOf({ frequencyPenalty, presencePenalty }: Sampling, generated: readonly Token[]): Map<Token, number> {
  const counts = new Map<Token, number>();
  if (frequencyPenalty === 0 && presencePenalty === 0) return counts;
  for (const token of generated) counts.set(token, (counts.get(token) ?? 0) + 1);
  return counts;
}

function adjusted(token: Token, logit: number, sampling: Sampling, counts: ReadonlyMap<Token, number>): number {
  const count = counts.get(token) ?? 0;
  return logit + (sampling.bias.get(token) ?? 0) - count * sampling.frequencyPenalty - (count > 0 ? sampling.presencePenalty : 0);
}

function choose(all: readonly (readonly [Token, number])[], { temperature, topP }: Sampling, random: () => number): Token {
  const sorted = all.toSorted(([, a], [, b]) => b - a).slice(0, topK);
  const highest = sorted[0]![1];
  if (temperature === 0) return sorted[0]![0];
  const total = sorted.reduce((sum, [, logit]) => sum + Math.exp(logit - highest), 0);
  let reached = 0;
  // Enough of the likeliest to reach top_p, and always one.
  const kept = sorted.filter(([, logit]) => {
    const wanted = reached === 0 || reached < topP;
    reached += Math.exp(logit - highest) / total;
    return wanted;
  });
  const weights = kept.map(([, logit]) => Math.exp((logit - highest) / temperature));
  let left = random() * weights.reduce((sum, weight) => sum + weight, 0);
  const at = weights.findIndex((weight) => (left -= weight) < 0);
  return kept.at(at)![0];
}
