import type { ServerResponse } from 'node:http';
import { sendEvents, sendJson } from './event-stream.ts';
import type { GenerationEnd, Piece } from './generation.ts';
import type { TokenScore } from './token-score.ts';

/** One answer of several, not begun yet. */
export interface Choice {
  start(): AsyncGenerator<Piece, GenerationEnd>;
}

export interface WholeChoice {
  text: string;
  scores: TokenScore[];
  finishReason: GenerationEnd['finishReason'];
}

/** How an endpoint writes its choices: chat and completions differ in this alone. */
export interface ChoiceForm {
  objects: { whole: string; chunk: string };
  whole(index: number, choice: WholeChoice): object;
  /** What a stream says of a choice before its text, if anything. */
  opening(index: number): object | undefined;
  piece(index: number, piece: Piece): object;
  closing(index: number, finishReason: GenerationEnd['finishReason']): object;
}

export interface Answer {
  head: { id: string; created: number; model: string };
  form: ChoiceForm;
  choices: readonly Choice[];
  promptTokens: number;
  stream: boolean;
  includeUsage: boolean;
}

/** Makes the choices one after another and sends them, whole or as a stream. */
export async function sendChoices(response: ServerResponse, answer: Answer, signal: AbortSignal): Promise<void> {
  if (answer.stream) return sendEvents(response, chunksOf(answer), signal);
  const whole: object[] = [];
  let completionTokens = 0;
  for (const [index, choice] of answer.choices.entries()) {
    const made: WholeChoice = { text: '', scores: [], finishReason: 'stop' };
    const pieces = choice.start();
    let step = await pieces.next();
    for (; !step.done; step = await pieces.next()) {
      made.text += step.value.text;
      made.scores.push(...step.value.scores);
    }
    completionTokens += step.value.completionTokens;
    whole.push(answer.form.whole(index, { ...made, finishReason: step.value.finishReason }));
  }
  const { id, created, model } = answer.head;
  sendJson(response, 200, { id, object: answer.form.objects.whole, created, model, choices: whole, usage: usage(answer.promptTokens, completionTokens) });
}

async function* chunksOf({ head, form, choices, promptTokens, includeUsage }: Answer): AsyncGenerator<object> {
  const { id, created, model } = head;
  const chunk = (list: object[]) => ({ id, object: form.objects.chunk, created, model, choices: list, ...(includeUsage ? { usage: null } : {}) });
  let completionTokens = 0;
  for (const [index, choice] of choices.entries()) {
    const pieces = choice.start();
    try {
      const opening = form.opening(index);
      if (opening !== undefined) yield chunk([opening]);
      let step = await pieces.next();
      for (; !step.done; step = await pieces.next()) yield chunk([form.piece(index, step.value)]);
      yield chunk([form.closing(index, step.value.finishReason)]);
      completionTokens += step.value.completionTokens;
    } finally {
      await pieces.return(undefined as never);
    }
  }
  if (includeUsage) yield { ...chunk([]), usage: usage(promptTokens, completionTokens) };
}

function usage(promptTokens: number, completionTokens: number) {
  return { prompt_tokens: promptTokens, completion_tokens: completionTokens, total_tokens: promptTokens + completionTokens };
}
