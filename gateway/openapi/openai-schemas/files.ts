import type { Schema } from '../schema.ts';
import { count, object, text, unixSeconds } from './shared.ts';

export const fileObject: Schema = object({ id: text, object: { const: 'file' }, bytes: count, created_at: unixSeconds, filename: text, purpose: text, status: text }, ['id', 'object', 'bytes', 'created_at', 'filename', 'purpose']);

/** The parts of an upload. */
export const fileUpload: Schema = object({
  purpose: { type: 'string', enum: ['fine-tune'] },
  file: { type: 'string', format: 'binary', description: 'JSON lines, each with `messages` in chat form.' },
});
