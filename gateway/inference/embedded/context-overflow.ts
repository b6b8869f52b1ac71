import { ForgeError } from '../../../core/errors.ts';
import type { OpenAiErrorBody } from '../../openai/errors.ts';
import { openAiError } from '../../openai/errors.ts';

/** A prompt that is longer than the context. */
export class ContextOverflow extends ForgeError {
  /** @param field what makes the prompt. @param tokens of the prompt. @param room tokens that a prompt may have at most */
  constructor(field: string, tokens: number, contextTokens: number, room: number) {
    super('invalid_argument', `${field}: makes ${tokens} tokens, and the context holds ${contextTokens}, so ${room} at most; send less`, { field });
  }
}

/** As OpenAI's own, which tells by its code that a prompt is too long. */
export function engineError(error: unknown): { status: number; body: OpenAiErrorBody; retryAfterSeconds: number | undefined } {
  const answer = openAiError(error);
  if (error instanceof ContextOverflow) answer.body.error.code = 'context_length_exceeded';
  return answer;
}
