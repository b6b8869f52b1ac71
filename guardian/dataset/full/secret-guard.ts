import type { Example } from '../kinds/example.ts';
import { findSecrets, type SecretFinding } from '../secrets/find-secrets.ts';
import type { SourceFile } from '../source-file.ts';

/** Shorter lines of a secret are not its own: a bracket, the end of a block. */
const minPartChars = 6;

/** The longest keys in use, RSA's of 16,384 bits, have some 13,000 characters. */
const maxKeyChars = 16_384;

/** Keeps secrets out of examples. Files are looked at once; only where one has a secret are its examples. */
export interface SecretGuard {
  /** Whether the file holds a secret anywhere. */
  holdsSecret(file: SourceFile): boolean;
  /** Whether an example shows one, or a part of one. */
  shows(example: Example): boolean;
}

/** A key's header is what is found; the key itself is all that follows, to its end mark or as far as a key goes. */
function extentOf(text: string, { kind, start, end }: SecretFinding): string {
  if (kind !== 'private_key') return text.slice(start, end);
  const last = text.indexOf('KEY-----', end);
  return text.slice(start, last < 0 || last - start > maxKeyChars ? start + maxKeyChars : last + 'KEY-----'.length);
}

export async function createSecretGuard(files: readonly SourceFile[], breathe: () => Promise<void>): Promise<SecretGuard> {
  const partsOf = new Map<SourceFile, string[]>();
  for (const file of files) {
    await breathe();
    // A value on a line of its own, without the name it is given to, looks like none: so it is looked for as it stands.
    const parts = findSecrets(file.text).flatMap((found) => extentOf(file.text, found).split('\n').map((part) => part.trim()).filter((part) => part.length >= minPartChars));
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
