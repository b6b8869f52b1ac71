import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { nkeys } from '@nats-io/transport-node';
import { ForgeError } from './errors.ts';

/** What a process may be to nats-server; each has its own subjects (deploy/nats/permissions.ts). */
export const natsRoles = ['gateway', 'guardian', 'agent', 'operator'] as const;
export type NatsRole = (typeof natsRoles)[number];

/** All that a process has to know to join, besides where nats-server is: a file that `npm run fleet -- add` writes. */
export interface NatsCredentials {
  role: NatsRole;
  /** Worker id of an agent or a gateway; a guardian's and an operator's is the role's name. */
  id: string;
  /** Seed of the user's nkey (Ed25519): secret. nats-server is shown signatures by it and never the seed. */
  seed: string;
  /** Certificates, in PEM, of which one must have signed nats-server's; undefined: those that the system trusts. */
  ca?: string;
}

/** A gateway's or agent's: `_INBOX.<id>.` is its inbox. */
export const workerIdPattern = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;

const maxBytes = 256 * 1024;
const remedy = 'npm run fleet -- add makes such a file';

/** @throws ForgeError invalid_argument, which says what is wrong and never shows what is in the file */
export function readNatsCredentials(path: string): NatsCredentials {
  const refuse = (why: string): ForgeError => new ForgeError('invalid_argument', `${path} ${why}`);
  let text: string;
  try {
    const { mode, size } = statSync(path);
    if ((mode & 0o007) !== 0) throw refuse(`is open to every user of this machine (mode ${(mode & 0o777).toString(8).padStart(4, '0')}): chmod 0600, or 0640 where a group needs it`);
    if (size > maxBytes) throw refuse(`has ${size} bytes and is no credentials file; ${remedy}`);
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof ForgeError) throw error;
    throw refuse(`can’t be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'}); ${remedy}`);
  }
  let value: Record<string, unknown>;
  try {
    // A parser's own message quotes what it read.
    value = JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw refuse(`is no JSON; ${remedy}`);
  }
  const problem = problemOf(value);
  if (problem !== undefined) throw refuse(`${problem}; ${remedy}`);
  return value as unknown as NatsCredentials;
}

function problemOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return 'holds no object';
  const { role, id, seed, ca, ...others } = value as Record<string, unknown>;
  const unknown = Object.keys(others);
  if (unknown.length > 0) return `has fields that none has: ${unknown.join(', ').slice(0, 200)}`;
  if (!natsRoles.includes(role as NatsRole)) return `names no role: must be one of ${natsRoles.join(', ')}`;
  if (typeof id !== 'string' || !workerIdPattern.test(id)) return 'names no id: letters, digits, _ and -, at most 63';
  if (typeof seed !== 'string' || publicKeyOf(seed) === undefined) return 'holds no seed of a user’s nkey (SU…)';
  if (ca !== undefined && (typeof ca !== 'string' || !isCertificate(ca))) return 'holds something else than certificates in PEM as ca';
  return undefined;
}

/** @returns `U…`, or undefined for what is no user's seed */
export function publicKeyOf(seed: string): string | undefined {
  try {
    const key = nkeys.fromSeed(new TextEncoder().encode(seed)).getPublicKey();
    return key.startsWith('U') ? key : undefined;
  } catch {
    return undefined;
  }
}

export function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}

export function isCertificateFile(path: string): boolean {
  try {
    return isCertificate(readFileSync(path, 'utf8'));
  } catch {
    return false;
  }
}
