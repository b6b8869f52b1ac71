// `npm run fleet -- server|add|list|revoke|reload`: who may connect to nats-server, and its configuration.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ForgeError } from '../../core/errors.ts';
import { isCertificate, natsRoles, type NatsRole } from '../../core/nats-credentials.ts';
import { takeLock } from '../local/pid-lock.mjs';
import { addIdentity, readIdentities, revokeIdentity, writeIdentities, type Identity } from './identities.ts';
import { reloadServer } from './reload.ts';
import { writeServer } from './write-server.ts';

const usage = `usage: npm run fleet -- server [--listen HOST:PORT] [--store DIR] [--name NODE --cluster NODE=HOST:PORT,...]
       npm run fleet -- add gateway|agent ID [--out FILE]
       npm run fleet -- add guardian|operator [--out FILE]
       npm run fleet -- list
       npm run fleet -- revoke ROLE [ID]
       npm run fleet -- reload
Each takes --dir DIR, the folder of nats-server's configuration (/etc/ai-forge/nats). Certificates are looked for in
DIR/tls: ca.pem, server.pem and server-key.pem (deploy/nats/make-certificates.sh makes them).`;

class Usage extends Error {}

const options = { dir: { type: 'string' }, out: { type: 'string' }, listen: { type: 'string' }, store: { type: 'string' }, name: { type: 'string' }, cluster: { type: 'string' } } as const;
type Values = Partial<Record<keyof typeof options, string>>;

const commands: Record<string, { takes: readonly (keyof Values)[]; positionals: readonly [number, number]; run(dir: string, given: string[], values: Values): void }> = {
  server: { takes: ['listen', 'store', 'name', 'cluster'], positionals: [0, 0], run: (dir, _given, values) => writeServer(dir, values) },
  add: { takes: ['out'], positionals: [1, 2], run: add },
  list: { takes: [], positionals: [0, 0], run: (dir) => readIdentities(dir).forEach((identity) => console.log(lineOf(identity))) },
  revoke: { takes: [], positionals: [1, 2], run: revoke },
  reload: { takes: [], positionals: [0, 0], run: (dir) => tellServer(dir) },
};

function add(dir: string, [role, given]: string[], { out }: Values): void {
  const { identities, credentials } = addIdentity(readIdentities(dir), roleOf(role), given, new Date().toISOString());
  const { id } = credentials;
  const file = resolve(out ?? join(dir, id === role ? `${role}.json` : `${role}-${id}.json`));
  const ca = readCa(dir);
  try {
    // Whoever may let others in hands the file to its process; until then nobody else reads it.
    writeFileSync(file, `${JSON.stringify({ ...credentials, ...(ca === undefined ? {} : { ca }) }, undefined, 2)}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    throw new ForgeError('already_exists', `${file} can’t be written (${(error as NodeJS.ErrnoException).code}): move it away, or name another with --out`);
  }
  writeIdentities(dir, identities);
  console.log(`The credentials of ${role} ${id} are in ${file}: bring it to its host, and name it there with FORGE_NATS_CREDENTIALS.`);
  tellServer(dir);
}

function revoke(dir: string, [role, given]: string[]): void {
  const before = readIdentities(dir);
  const after = revokeIdentity(before, roleOf(role), given, new Date().toISOString());
  writeIdentities(dir, after);
  after.filter((identity, at) => identity !== before[at]).forEach((identity) => console.log(lineOf(identity)));
  tellServer(dir);
}

function tellServer(dir: string): void {
  const pid = reloadServer(dir);
  console.log(
    pid === undefined
      ? `No nats-server runs here on ${dir}: bring accounts.conf to each node and have it read there (npm run fleet -- reload, or systemctl reload ai-forge-nats).`
      : `nats-server (process ${pid}) reads ${join(dir, 'accounts.conf')} now. The other nodes of a cluster need the same file, and npm run fleet -- reload.`,
  );
}

function roleOf(text: string | undefined): NatsRole {
  const role = natsRoles.find((one) => one === text);
  if (role === undefined) throw new Usage(`"${text}" is no role: must be one of ${natsRoles.join(', ')}`);
  return role;
}

/** Certificates that a process needs to know nats-server's by; undefined where it has none. */
function readCa(dir: string): string | undefined {
  let ca: string;
  try {
    ca = readFileSync(join(dir, 'tls', 'ca.pem'), 'utf8');
  } catch {
    return undefined;
  }
  if (!isCertificate(ca)) throw new ForgeError('invalid_argument', `${join(dir, 'tls', 'ca.pem')} holds no certificate in PEM`);
  return ca;
}

function lineOf({ role, id, publicKey, createdAt, revokedAt }: Identity): string {
  const day = (time: string): string => time.slice(0, 16).replace('T', ' ');
  return [role.padEnd(8), id.padEnd(20), publicKey, `created ${day(createdAt)}`, ...(revokedAt === undefined ? [] : [`revoked ${day(revokedAt)}`])].join('  ');
}

function main(args: string[]): void {
  let parsed;
  try {
    parsed = parseArgs({ args, allowPositionals: true, options });
  } catch (error) {
    throw new Usage((error as Error).message);
  }
  const { positionals: [name = '', ...given], values } = parsed;
  const command = Object.hasOwn(commands, name) ? commands[name]! : undefined;
  if (command === undefined) throw new Usage(name === '' ? 'a command is missing' : `"${name}" is no command`);
  const unfit = (Object.keys(values) as (keyof Values)[]).find((key) => key !== 'dir' && !command.takes.includes(key));
  if (unfit !== undefined) throw new Usage(`${name} takes no --${unfit}`);
  if (given.length < command.positionals[0] || given.length > command.positionals[1]) throw new Usage(`${name}: wrong number of arguments`);
  const dir = resolve(values.dir ?? '/etc/ai-forge/nats');
  mkdirSync(dir, { recursive: true, mode: 0o750 });
  const lock = takeLock(join(dir, 'lock'));
  if (!lock.held) throw new ForgeError('unavailable', `${dir} is in use by process ${lock.owner.pid}: try again`);
  try {
    command.run(dir, given, values);
  } finally {
    lock.release();
  }
}

try {
  main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Usage ? `${error.message}\n${usage}` : error instanceof ForgeError ? error.message : (error as NodeJS.ErrnoException).code !== undefined ? (error as Error).message : (error as Error).stack);
  process.exitCode = 1;
}
