import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import type { Aggregate } from '../aggregate.ts';
import { ForgeError, assertNever } from '../errors.ts';
import type { Scope } from '../gen/aiforge/v1/access_pb.ts';
import { event } from '../task/events.ts';

interface KeyFacts {
  name: string;
  scopes: readonly Scope[];
  sha256: Uint8Array;
  /** Unix milliseconds. */
  createdAt: number;
  /** Infinity: never. */
  expiresAt: number;
  /** 0: never. */
  lastUsedAt: number;
}

export type ApiKeyState = { status: 'none' } | ({ status: 'active' } & KeyFacts) | ({ status: 'revoked'; revokedAt: number } & KeyFacts);

export type ApiKeyCommand =
  | { type: 'create'; name: string; scopes: readonly Scope[]; sha256: Uint8Array; expiresAt: number }
  | { type: 'revoke' }
  /** @param at Unix milliseconds */
  | { type: 'note-use'; at: number };

/** A key's use is noted this seldom, so that events grow with hours and not with requests. */
export const useIntervalMs = 3_600_000;

/** `forge.apikey.<key id>`: who may call. What is stored opens nothing. */
export const apiKeyAggregate: Aggregate<ApiKeyState, ApiKeyCommand> = {
  name: 'apikey',
  initialState: Object.freeze({ status: 'none' }),

  decide(command, state) {
    switch (command.type) {
      case 'create': {
        if (state.status !== 'none') throw new ForgeError('already_exists', 'key_id: it is taken; try again', { field: 'key_id' });
        const { name, scopes, sha256, expiresAt } = command;
        return [event('apiKeyCreated', { name, scopes: [...scopes], keySha256: sha256, ...(expiresAt === Infinity ? {} : { expiresAt: timestampFromMs(expiresAt) }) })];
      }
      case 'revoke':
        if (state.status === 'none') throw new ForgeError('not_found', 'key_id: there is no such key', { field: 'key_id' });
        return state.status === 'revoked' ? [] : [event('apiKeyRevoked', {})];
      case 'note-use':
        return state.status === 'active' && command.at - state.lastUsedAt >= useIntervalMs ? [event('apiKeyUsed', {})] : [];
      default:
        return assertNever(command, 'command');
    }
  },

  evolve(state, { kind }, { time }) {
    if (kind.case === 'apiKeyCreated') {
      const { name, scopes, keySha256, expiresAt } = kind.value;
      return { status: 'active', name, scopes, sha256: keySha256, createdAt: time, expiresAt: expiresAt === undefined ? Infinity : timestampMs(expiresAt), lastUsedAt: 0 };
    }
    if (state.status === 'none') return state;
    if (kind.case === 'apiKeyRevoked') return { ...state, status: 'revoked', revokedAt: time };
    if (kind.case === 'apiKeyUsed') return { ...state, lastUsedAt: time };
    return state;
  },

  admit(state, { kind }) {
    switch (kind.case) {
      case 'apiKeyCreated':
        if (kind.value.keySha256.length !== 32) return 'a key is created without its hash';
        return state.status === 'none' ? undefined : 'a key is created twice';
      case 'apiKeyRevoked':
        return state.status === 'active' ? undefined : 'a key is revoked that is not there, or is revoked already';
      case 'apiKeyUsed':
        return state.status === 'active' ? undefined : 'a key is used that is not there, or is revoked';
      default:
        return `${kind.case} does not belong to a key`;
    }
  },
};
