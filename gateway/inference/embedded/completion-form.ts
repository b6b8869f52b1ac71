import type { ChoiceForm } from './choices.ts';
import type { TokenScore } from './token-score.ts';

/**
 * https://platform.openai.com/docs/api-reference/completions/object: a stream's objects are the same as a whole answer's.
 * @param echoed the text that a choice begins with, where its prompt is to be repeated
 */
export function completionForm(withScores: boolean, echoed: (index: number) => string | undefined): ChoiceForm {
  const logprobs = (scores: readonly TokenScore[]) => (withScores ? toLogprobs(scores) : null);
  return {
    objects: { whole: 'text_completion', chunk: 'text_completion' },
    whole: (index, { text, scores, finishReason }) => ({ text: (echoed(index) ?? '') + text, index, logprobs: logprobs(scores), finish_reason: finishReason }),
    opening: (index) => (echoed(index) === undefined ? undefined : { text: echoed(index), index, logprobs: null, finish_reason: null }),
    piece: (index, { text, scores }) => ({ text, index, logprobs: logprobs(scores), finish_reason: null }),
    closing: (index, finishReason) => ({ text: '', index, logprobs: null, finish_reason: finishReason }),
  };
}

/** `text_offset` counts from the beginning of the generated text. */
function toLogprobs(scores: readonly TokenScore[]) {
  return {
    tokens: scores.map(({ text }) => text),
    token_logprobs: scores.map(({ logprob }) => logprob),
    top_logprobs: scores.map(({ likeliest }) => Object.fromEntries(likeliest.map(({ text, logprob }) => [text, logprob]))),
    text_offset: scores.map(({ start }) => start),
  };
}
