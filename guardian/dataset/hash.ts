import { hash } from 'node:crypto';

/**
 * A number in [0, 1) that depends on the seed and the text alone: the first 48 bits of
 * SHA-256(seed as decimal, NUL, text in UTF-8).
 */
export function seededShare(seed: bigint, text: string): number {
  const digest = hash('sha256', `${seed}\0${text}`, 'buffer');
  return digest.readUIntBE(0, 6) / 2 ** 48;
}

/** Equal for texts that differ in white space, letter case or punctuation only. */
export function likenessKey(text: string): string {
  return hash('sha256', text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, ' '));
}
