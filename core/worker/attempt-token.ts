import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { AttemptRef } from './task-runner.ts';

/**
 * A token of one attempt, dead with it. The worker makes the secret and sends its SHA-256 with the ask; the event that
 * starts the attempt keeps that hash. So every gateway can check a token by its fold, none has to be told a secret, none
 * lies in the stream, and an ask that is answered a second time, by another gateway, needs none made anew.
 */
const prefix = 'forge_attempt~';
/** `~` is in no task id, and may be in a bearer token (RFC 6750, section 2.1). */
const shape = /^forge_attempt~([A-Za-z0-9][A-Za-z0-9._-]{0,180})~([1-9]\d{0,8})~([A-Za-z0-9_-]{43})$/;

/** 256 random bits in base64url. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** SHA-256: of 256 random bits nobody guesses the secret, however fast each try is. */
export function hashSecret(secret: string): Uint8Array {
  return new Uint8Array(hash('sha256', secret, 'buffer'));
}

/** Whether a secret has this hash, in a time that does not depend on where the two differ. */
export function hasHash(secret: string, sha256: Uint8Array): boolean {
  return sha256.length === 32 && timingSafeEqual(hashSecret(secret), sha256);
}

export function attemptToken({ taskId, attempt }: AttemptRef, secret: string): string {
  return `${prefix}${taskId}~${attempt}~${secret}`;
}

/** Whether a credential is meant to be an attempt's token, well formed or not. */
export function isAttemptToken(credential: string | undefined): credential is string {
  return credential?.startsWith(prefix) === true;
}

/** @returns undefined for what has not the form of one */
export function parseAttemptToken(token: string): (AttemptRef & { secret: string }) | undefined {
  const parts = shape.exec(token);
  return parts === null ? undefined : { taskId: parts[1]!, attempt: Number(parts[2]), secret: parts[3]! };
}
