import { hash, randomBytes, timingSafeEqual } from 'node:crypto';

/** A key as its owner holds it: `forge_<id>_<secret>`. */
export interface NewKey {
  keyId: string;
  key: string;
  sha256: Uint8Array;
}

const shape = /^forge_([0-9a-f]{12})_[A-Za-z0-9_-]{43}$/;

/** A new key: a public id of 48 random bits, then 256 random bits in base64url. */
export function generateKey(): NewKey {
  const keyId = randomBytes(6).toString('hex');
  const key = `forge_${keyId}_${randomBytes(32).toString('base64url')}`;
  return { keyId, key, sha256: hashKey(key) };
}

/** @returns the public id, or undefined where the text has not the form of a key */
export function keyIdOf(key: string): string | undefined {
  return shape.exec(key)?.[1];
}

/**
 * SHA-256 of a key. A slow hash is for passwords, of which there are few enough to guess; nobody guesses 256 random
 * bits, however fast each try is, and a slow one would be paid for at each request.
 */
export function hashKey(key: string): Uint8Array {
  return hash('sha256', key, 'buffer');
}

/** Whether a key has this hash, in a time that does not depend on where the two differ. */
export function matchesHash(key: string, sha256: Uint8Array): boolean {
  return sha256.length === 32 && timingSafeEqual(hashKey(key), sha256);
}
