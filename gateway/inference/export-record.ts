import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ForgeError } from '../../core/errors.ts';

export interface TemplateMessage {
  role: string;
  content: string;
}

/** How the trainer itself renders a conversation, and the tokens it makes of it. */
export interface Rendering {
  messages: TemplateMessage[];
  add_generation_prompt: boolean;
  text: string;
  token_ids: number[];
}

/** The part of the trainer's export result that inference needs. */
export interface ExportRecord {
  chat_template: string;
  bos_token: string | null;
  eos_token: string | null;
  stop_tokens: string[];
  context_length: number;
  renderings: Rendering[];
}

/** Reads `export.json` of an export. @throws ForgeError wrong_state, naming what is missing */
export async function readExportRecord(dir: string): Promise<ExportRecord> {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(await readFile(join(dir, 'export.json'), 'utf8')) as Record<string, unknown>;
  } catch (error) {
    throw new ForgeError('wrong_state', 'The export has no readable export.json; export the model again', { cause: error });
  }
  const missing = Object.entries(checks).filter(([field, holds]) => !holds(value[field])).map(([field]) => field);
  if (missing.length > 0) throw new ForgeError('wrong_state', `export.json lacks or has in another form: ${missing.join(', ')}; export the model again`);
  return value as unknown as ExportRecord;
}

const text = (value: unknown) => typeof value === 'string';
const textOrNone = (value: unknown) => value === null || value === undefined || text(value);

const checks: Record<keyof ExportRecord, (value: unknown) => boolean> = {
  chat_template: (value) => text(value) && value !== '',
  bos_token: textOrNone,
  eos_token: textOrNone,
  stop_tokens: (value) => Array.isArray(value) && value.every(text),
  context_length: (value) => Number.isInteger(value) && (value as number) > 0,
  renderings: (value) => Array.isArray(value) && value.length > 0 && value.every((r) => Array.isArray(r?.messages) && text(r.text) && Array.isArray(r.token_ids)),
};
