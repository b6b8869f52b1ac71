import { Template } from '@huggingface/jinja';
import type { ExportRecord, TemplateMessage } from './export-record.ts';

export interface ChatTemplate {
  /** @throws Error when the template refuses the conversation (`raise_exception`) */
  render(messages: readonly TemplateMessage[], addGenerationPrompt: boolean): string;
}

const dayMs = 24 * 60 * 60 * 1000;
const longestAgeDays = 2 * 366;

/**
 * A model's own Jinja chat template, rendered as transformers' `apply_chat_template` does it
 * (same white space rules; `bos_token` and `eos_token` are empty where the tokenizer has none).
 * @param day what the template takes for today, where it writes the date
 * @throws Error when the template does not parse
 */
export function createChatTemplate(source: string, tokens: { bos: string | null; eos: string | null }, day = new Date()): ChatTemplate {
  // The library has a strftime_now of its own, of this very moment, which can't be declared again: another name can.
  const template = new Template(source.replaceAll('strftime_now', 'strftime_then'));
  const variables = { bos_token: tokens.bos ?? '', eos_token: tokens.eos ?? '', strftime_then: (format: string) => formatDate(day, format) };
  return {
    render: (messages, addGenerationPrompt) => template.render({ ...variables, messages: structuredClone(messages), add_generation_prompt: addGenerationPrompt }),
  };
}

/**
 * An exported model's template. One that writes the date (Llama 3.2's does) keeps the day of the export, which is found
 * from what the trainer rendered then: the model is to be asked in the form it was trained in, on each later day too.
 * @param source the template, where it does not come from the record
 */
export function exportedTemplate(record: Pick<ExportRecord, 'bos_token' | 'eos_token' | 'renderings' | 'chat_template'>, source = record.chat_template): ChatTemplate {
  const on = (day?: Date) => createChatTemplate(source, { bos: record.bos_token ?? null, eos: record.eos_token ?? null }, day);
  const [first] = record.renderings;
  if (!source.includes('strftime_now') || first === undefined) return on();
  // From tomorrow on backwards: the trainer's host may be in another time zone.
  for (let age = -1; age <= longestAgeDays; age++) {
    const template = on(new Date(Date.now() - age * dayMs));
    if (template.render(first.messages, first.add_generation_prompt) === first.text) return template;
  }
  return on();
}

/** The parts of Python's strftime that dates in prompts are made of, in English as in the C locale. */
function formatDate(day: Date, format: string): string {
  const name = (options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat('en-US', options).format(day);
  const two = (value: number) => String(value).padStart(2, '0');
  const parts: Record<string, () => string> = {
    Y: () => String(day.getFullYear()),
    m: () => two(day.getMonth() + 1),
    d: () => two(day.getDate()),
    b: () => name({ month: 'short' }),
    B: () => name({ month: 'long' }),
    a: () => name({ weekday: 'short' }),
    A: () => name({ weekday: 'long' }),
    H: () => two(day.getHours()),
    M: () => two(day.getMinutes()),
    '%': () => '%',
  };
  return format.replace(/%([A-Za-z%])/g, (whole, letter: string) => parts[letter]?.() ?? whole);
}
