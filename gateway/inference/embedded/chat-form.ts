import type { ChoiceForm } from './choices.ts';
import type { TokenScore } from './token-score.ts';
import { bytesOf } from './token-score.ts';

/** https://platform.openai.com/docs/api-reference/chat/object and /chat-streaming */
export function chatForm(withScores: boolean): ChoiceForm {
  const logprobs = (scores: readonly TokenScore[]) => (withScores ? { logprobs: { content: scores.map(toContent), refusal: null } } : {});
  return {
    objects: { whole: 'chat.completion', chunk: 'chat.completion.chunk' },
    whole: (index, { text, scores, finishReason }) => ({ index, message: { role: 'assistant', content: text, refusal: null }, ...(withScores ? logprobs(scores) : { logprobs: null }), finish_reason: finishReason }),
    opening: (index) => ({ index, delta: { role: 'assistant', content: '' }, finish_reason: null }),
    piece: (index, { text, scores }) => ({ index, delta: { content: text }, ...logprobs(scores), finish_reason: null }),
    closing: (index, finishReason) => ({ index, delta: {}, finish_reason: finishReason }),
  };
}

function toContent({ text, logprob, likeliest }: TokenScore) {
  return { ...toToken({ text, logprob }), top_logprobs: likeliest.map(toToken) };
}

function toToken({ text, logprob }: { text: string; logprob: number }) {
  return { token: text, logprob, bytes: bytesOf(text) };
}
