import type { Example } from '../kinds/example.ts';
import { findSecrets } from '../secrets/find-secrets.ts';
import type { SourceFile } from '../source-file.ts';

/** Shorter lines of a secret are not its own: a bracket, the end of a block. */
const minPartChars = 6;

/** Keeps secrets out of examples. Files are looked at once; only where one has a secret are its examples. */
export interface SecretGuard {
  /** Whether the file holds a secret anywhere. */
  holdsSecret(file: SourceFile): boolean;
  /** Whether an example shows one, or a part of one. */
  shows(example: Example): boolean;
}

export async function createSecretGuard(files: readonly SourceFile[], breathe: () => Promise<void>): Promise<SecretGuard> {
  const partsOf = new Map<SourceFile, string[]>();
  for (const file of files) {
    await breathe();
    // A value on a line of its own, without the name it is given to, looks like none: so it is looked for as it stands.
    const parts = findSecrets(file.text).flatMap(({ start, end }) => file.text.slice(start, end).split('\n').map((part) => part.trim()).filter((part) => part.length >= minPartChars));
    if (parts.length > 0) partsOf.set(file, [...new Set(parts)]);
  }
  const all = [...new Set([...partsOf.values()].flat())];
  return {
    holdsSecret: (file) => partsOf.has(file),
    shows(example) {
      const { file, others = [], commit } = example;
      // What a commit shows may stand in no file any more.
      const parts = commit === undefined ? [file, ...others].flatMap((one) => partsOf.get(one) ?? []) : all;
      if (parts.length === 0 && commit === undefined) return false;
      const { prompt, answer } = example.write();
      const text = `${prompt}\n${answer}`;
      return parts.some((part) => text.includes(part)) || findSecrets(text).length > 0;
    },
  };
}
