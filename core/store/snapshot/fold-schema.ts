import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Which code folds, as SHA-256 in hex of all that lies in core/ and the version of V8: a number that somebody has to
 * raise with each change of a state would be forgotten once. Any change there costs one replay from nothing.
 */
export async function foldSchema(core = join(import.meta.dirname, '../..')): Promise<string> {
  const files = (await readdir(core, { recursive: true })).filter((name) => name.endsWith('.ts')).sort();
  const texts = await Promise.all(files.map((name) => readFile(join(core, name))));
  const digest = createHash('sha256').update(process.versions.v8);
  for (const [index, name] of files.entries()) digest.update(`\n${name} ${texts[index]!.length}\n`).update(texts[index]!);
  return digest.digest('hex');
}
