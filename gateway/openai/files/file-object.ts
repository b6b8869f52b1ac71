import type { FileView } from '../../files/stored-file.ts';

/** OpenAI's file object. What is stored was checked before, so it is processed. */
export function fileObject({ id, createdAt, filename, purpose, bytes }: FileView) {
  return { id, object: 'file', bytes, created_at: Math.floor(createdAt / 1000), filename, purpose, status: 'processed', status_details: null, expires_at: null };
}
