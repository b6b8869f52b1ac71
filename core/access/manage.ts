import { randomUUID } from 'node:crypto';
import { ForgeError, invalid } from '../errors.ts';
import { Scope } from '../gen/aiforge/v1/access_pb.ts';
import type { Ledger } from '../store/ledger.ts';
import { apiKeyAggregate, type ApiKeyState } from './api-key.ts';
import { generateKey } from './secret.ts';

export type KnownKey = Exclude<ApiKeyState, { status: 'none' }>;

/** A number that is none of them comes through gRPC. */
const grantable: readonly Scope[] = [Scope.INFERENCE, Scope.TRAIN, Scope.ADMIN];
const tenYearsSeconds = 10 * 365 * 24 * 3600;

export interface KeyRequest {
  name: string;
  scopes: readonly Scope[];
  /** Undefined: it does not expire. */
  expiresInSeconds?: number | undefined;
}

/**
 * Makes a key. Its text is in what this returns and nowhere else.
 * @param actor who asked, for the event
 * @throws ForgeError invalid_argument, unavailable
 */
export async function createKey(ledger: Ledger, request: KeyRequest, actor: string, now = Date.now()): Promise<{ keyId: string; secret: string; state: KnownKey }> {
  const { name, expiresInSeconds } = request;
  if (!/^[^\p{C}]{1,100}$/u.test(name) || name.trim() === '') throw invalid('name', 'is required: what the key is for, at most 100 characters');
  const scopes = [...new Set(request.scopes)].sort();
  if (scopes.length === 0 || scopes.some((scope) => !grantable.includes(scope))) throw invalid('scopes', 'is required: one or more of inference, train, admin');
  if (expiresInSeconds !== undefined && (expiresInSeconds < 1 || expiresInSeconds > tenYearsSeconds)) throw invalid('expires_in_seconds', `must be from 1 to ${tenYearsSeconds}`);
  const { keyId, key, sha256 } = generateKey();
  const expiresAt = expiresInSeconds === undefined ? Infinity : now + expiresInSeconds * 1000;
  const { state } = await ledger.execute(apiKeyAggregate, keyId, { type: 'create', name, scopes, sha256, expiresAt }, { commandId: randomUUID(), actor, time: now });
  return { keyId, secret: key, state: state as KnownKey };
}

/** Revokes a key for good; one that is revoked already stays as it is. @throws ForgeError not_found, unavailable */
export async function revokeKey(ledger: Ledger, keyId: string, actor: string, now = Date.now()): Promise<KnownKey> {
  if (!/^[0-9a-f]{12}$/.test(keyId)) throw new ForgeError('not_found', 'key_id: there is no such key', { field: 'key_id' });
  const { state } = await ledger.execute(apiKeyAggregate, keyId, { type: 'revoke' }, { commandId: randomUUID(), actor, time: now });
  return state as KnownKey;
}

/** All keys, the newest first. */
export function listKeys(ledger: Ledger): [string, KnownKey][] {
  return [...ledger.all(apiKeyAggregate)].filter((entry): entry is [string, KnownKey] => entry[1].status !== 'none').reverse();
}
