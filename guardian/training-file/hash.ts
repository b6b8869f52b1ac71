import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { ForgeError, invalid } from '../../core/errors.ts';
import { maxTrainingFileBytes } from '../../core/training-file/limits.ts';

/** SHA-256 of a training file, in lower-case hex. @throws ForgeError invalid_argument (empty), too_large */
export async function hashTrainingFile(path: string): Promise<string> {
  const { size } = await stat(path);
  if (size === 0) throw invalid('project_path', `${path} is empty; it must hold one JSON object a line`);
  if (size > maxTrainingFileBytes) throw new ForgeError('too_large', `project_path: ${path} has ${size} bytes, at most ${maxTrainingFileBytes} are taken`, { field: 'project_path' });
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
