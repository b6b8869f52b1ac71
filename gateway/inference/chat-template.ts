import { Template } from '@huggingface/jinja';
import type { TemplateMessage } from './export-record.ts';

export interface ChatTemplate {
  /** @throws Error when the template refuses the conversation (`raise_exception`) */
  render(messages: readonly TemplateMessage[], addGenerationPrompt: boolean): string;
}

/**
 * A model's own Jinja chat template, rendered as transformers' `apply_chat_template` does it
 * (same white space rules; `bos_token` and `eos_token` are empty where the tokenizer has none).
 * @throws Error when the template does not parse
 */
export function createChatTemplate(source: string, tokens: { bos: string | null; eos: string | null }): ChatTemplate {
  const template = new Template(source);
  return {
    render: (messages, addGenerationPrompt) =>
      template.render({ messages: structuredClone(messages), add_generation_prompt: addGenerationPrompt, bos_token: tokens.bos ?? '', eos_token: tokens.eos ?? '' }),
  };
}
