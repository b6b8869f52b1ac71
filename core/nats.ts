import { readFileSync } from 'node:fs';
import { connect, errors, nkeyAuthenticator, type Authenticator, type NatsConnection, type TlsOptions } from '@nats-io/transport-node';
import { ForgeError } from './errors.ts';
import { readNatsCredentials, type NatsRole } from './nats-credentials.ts';
import { redialing } from './nats-reconnect.ts';

/**
 * By which the guardian, which has an account of its own where there are credentials, reaches JetStream's API in the
 * account that has the events: nats-server answers below `$JS.API` itself, that its account has no JetStream.
 */
export const guardianApiPrefix = '$JS.FORGE.API';

/** Where nats-server is, and who one is there. */
export interface NatsServer {
  /** One URL, or those of all nodes of a cluster separated by commas. */
  natsUrl: string;
  /** A credentials file; empty where the server asks nobody. */
  natsCredentials?: string;
  /** A file of certificates (PEM), of which one must have signed the server's; empty: what the credentials say. */
  natsCa?: string;
}

/**
 * A connection that never gives up: an outage of NATS ends no process. One that was let in and is refused afterwards
 * (revoked) is closed, with the error.
 * @param inbox prefix of the subjects that answers come to; a worker's is `_INBOX.<worker id>`
 * @throws ForgeError unavailable when the server does not answer within `timeoutMs` at the start; permission_denied when
 * it does not take the credentials; invalid_argument for files that are no credentials or certificates
 */
export async function connectNats(server: string | NatsServer, name: string, inbox = `_INBOX.${name}`, timeoutMs = 10_000): Promise<NatsConnection> {
  const { natsUrl: url, ...files } = typeof server === 'string' ? { natsUrl: server } : server;
  const { authenticator, tls } = readFiles(files, url);
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await connect({
        servers: url.split(',').map((one) => one.trim()),
        name,
        inboxPrefix: inbox,
        maxReconnectAttempts: -1,
        ...redialing(100, 50),
        pingInterval: 5_000,
        maxPingOut: 2,
        timeout: 2_000,
        ignoreClusterUpdates: true,
        ...(authenticator === undefined ? {} : { authenticator }),
        ...(tls === undefined ? {} : { tls }),
      });
    } catch (error) {
      if (isRefusal(error)) throw new ForgeError('permission_denied', refused(redact(url), files.natsCredentials), { cause: error });
      if (performance.now() > deadline) throw new ForgeError('unavailable', `NATS does not answer on ${redact(url)}: start nats-server or set FORGE_NATS_URL${hint(error)}`, { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** @throws ForgeError invalid_argument where the process's credentials are those of another role */
export function requireRole({ natsCredentials = '' }: Pick<NatsServer, 'natsCredentials'>, ...roles: readonly NatsRole[]): void {
  if (natsCredentials === '') return;
  const { role, id } = readNatsCredentials(natsCredentials);
  if (!roles.includes(role)) throw new ForgeError('invalid_argument', `FORGE_NATS_CREDENTIALS: ${natsCredentials} is of ${role} ${id}, and here those of ${roles.join(' or ')} are needed: each process has its own (npm run fleet -- add ${roles[0]})`);
}

function readFiles({ natsCredentials = '', natsCa = '' }: Omit<NatsServer, 'natsUrl'>, url: string): { authenticator?: Authenticator; tls?: TlsOptions } {
  const credentials = natsCredentials === '' ? undefined : readNatsCredentials(natsCredentials);
  const ca = natsCa === '' ? credentials?.ca : readFileSync(natsCa, 'utf8');
  // Whoever names certificates, or says tls, is to speak to nobody else.
  const isTls = ca !== undefined || url.split(',').some((one) => one.trim().startsWith('tls:'));
  return {
    ...(credentials === undefined ? {} : { authenticator: nkeyAuthenticator(new TextEncoder().encode(credentials.seed)) }),
    ...(isTls ? { tls: ca === undefined ? {} : { ca } } : {}),
  };
}

function isRefusal(error: unknown): boolean {
  return error instanceof errors.AuthorizationError || (error instanceof Error && error.cause instanceof errors.AuthorizationError);
}

function refused(url: string, credentials: string | undefined): string {
  if (credentials === undefined || credentials === '') return `NATS on ${url} asks who this is: set FORGE_NATS_CREDENTIALS to a file that npm run fleet -- add has made`;
  return `NATS on ${url} does not take ${credentials}: they were revoked, or nats-server has not read them yet (npm run fleet -- list; npm run fleet -- reload)`;
}

/** What a certificate's refusal is about would otherwise be known to the cause alone. */
function hint(error: unknown): string {
  const code = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code ?? (error as NodeJS.ErrnoException).code ?? '';
  if ((error as Error).message.includes("does not support 'tls'")) return '. It speaks no TLS, which a CA or a tls:// URL asks for';
  return /CERT|SSL|TLS|SIGNATURE|ALTNAME/.test(code) ? `. Its certificate is refused (${code}): name the authority’s with FORGE_NATS_CA` : '';
}

/** Credentials in a URL never reach a log. */
function redact(url: string): string {
  return url.replace(/\/\/[^@/,]*@/g, '//***@');
}
