import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nkeys } from '@nats-io/transport-node';
import { ForgeError } from '../../core/errors.ts';
import { workerIdPattern, type NatsCredentials, type NatsRole } from '../../core/nats-credentials.ts';
import { accountsConfig, type User } from './accounts.ts';

/** Somebody who was let in, and since when; its seed is in its credentials file and nowhere else. */
export interface Identity extends User {
  createdAt: string;
  revokedAt?: string;
}

const namedByRole: readonly NatsRole[] = ['guardian', 'operator'];
/** Inboxes of others than agents: an agent of such a name would hear them. */
const reserved = /^(deploy-.*|guardian|gateway|operator|verify)$/i;

export function readIdentities(dir: string): Identity[] {
  const path = join(dir, 'identities.json');
  if (!existsSync(path)) return [];
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) as { identities: Identity[] }).identities;
  } catch (error) {
    throw new ForgeError('invalid_argument', `${path} can’t be read (${(error as Error).message}): bring a copy of it back`);
  }
}

/** Both files, each whole or not at all: first who may connect, then what nats-server is told of it. */
export function writeIdentities(dir: string, identities: readonly Identity[]): void {
  replace(join(dir, 'identities.json'), `${JSON.stringify({ identities }, undefined, 2)}\n`, 0o600);
  replace(join(dir, 'accounts.conf'), accountsConfig(identities.filter(({ revokedAt }) => revokedAt === undefined)), 0o644);
}

/** @throws ForgeError invalid_argument for a bad id, already_exists for one that is let in already */
export function addIdentity(identities: readonly Identity[], role: NatsRole, given: string | undefined, now: string): { identities: Identity[]; credentials: NatsCredentials } {
  const id = idOf(role, given);
  if (find(identities, role, id) !== undefined) throw new ForgeError('already_exists', `${role} ${id} has credentials: revoke them first (npm run fleet -- revoke ${role} ${id}), or choose another id`);
  const pair = nkeys.createUser();
  const identity = { role, id, publicKey: pair.getPublicKey(), createdAt: now };
  return { identities: [...identities, identity], credentials: { role, id, seed: new TextDecoder().decode(pair.getSeed()) } };
}

/** @throws ForgeError not_found */
export function revokeIdentity(identities: readonly Identity[], role: NatsRole, given: string | undefined, now: string): Identity[] {
  const id = idOf(role, given);
  const found = find(identities, role, id);
  if (found === undefined) throw new ForgeError('not_found', `There is no ${role} ${id} with credentials (npm run fleet -- list)`);
  return identities.map((identity) => (identity === found ? { ...identity, revokedAt: now } : identity));
}

function find(identities: readonly Identity[], role: NatsRole, id: string): Identity | undefined {
  return identities.find((identity) => identity.role === role && identity.id === id && identity.revokedAt === undefined);
}

function idOf(role: NatsRole, given: string | undefined): string {
  if (namedByRole.includes(role)) {
    if (given !== undefined && given !== role) throw new ForgeError('invalid_argument', `A ${role} has no id: leave "${given}" out`);
    return role;
  }
  if (given === undefined || !workerIdPattern.test(given)) throw new ForgeError('invalid_argument', `${role} needs an id of letters, digits, _ and -, at most 63${given === undefined ? '' : `, not "${given}"`}`);
  if (reserved.test(given)) throw new ForgeError('invalid_argument', `"${given}" is the name of another part of AI Forge: choose another id`);
  return given;
}

function replace(path: string, text: string, mode: number): void {
  writeFileSync(`${path}.new`, text, { mode });
  renameSync(`${path}.new`, path);
}
