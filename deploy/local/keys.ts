// `npm run keys -- create|list|revoke`: API keys, written straight to the events. Whoever may write there may do all that
// a key allows, so that this needs none, and makes the first.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { apiKeyAggregate } from '../../core/access/api-key.ts';
import { createKey, listKeys, revokeKey, type KnownKey } from '../../core/access/manage.ts';
import { loadConfig, type Config } from '../../core/config.ts';
import { ForgeError } from '../../core/errors.ts';
import { Scope } from '../../core/gen/aiforge/v1/access_pb.ts';
import { createLogger } from '../../core/logger.ts';
import { connectNats, requireRole, type NatsServer } from '../../core/nats.ts';
import { createJetStreamStore } from '../../core/store/jetstream-store.ts';
import { Ledger } from '../../core/store/ledger.ts';
import { isAlive, readLock } from './pid-lock.mjs';

const usage = `usage: npm run keys -- create --name <what for> --scopes inference,train,admin [--expires-days <days>]
       npm run keys -- list
       npm run keys -- revoke <key id>`;
const scopes: Readonly<Record<string, Scope>> = { inference: Scope.INFERENCE, train: Scope.TRAIN, admin: Scope.ADMIN };
const actor = 'command-line';

class Usage extends Error {}

function scopesOf(text: string): Scope[] {
  return text.split(',').map((name) => {
    const scope = scopes[name.trim()];
    if (scope === undefined) throw new Usage(`--scopes: must be one or more of ${Object.keys(scopes).join(', ')}, separated by commas, not "${text}"`);
    return scope;
  });
}

function secondsOf(days: string | undefined): number | undefined {
  if (days === undefined) return undefined;
  if (!/^\d{1,4}$/.test(days)) throw new Usage(`--expires-days: must be a whole number of days, not "${days}"`);
  return Number(days) * 86_400;
}

function lineOf(keyId: string, state: KnownKey): string {
  const day = (time: number): string => new Date(time).toISOString().slice(0, 16).replace('T', ' ');
  const names = Object.keys(scopes).filter((name) => state.scopes.includes(scopes[name]!)).join(',');
  const used = state.lastUsedAt === 0 ? 'never used' : `used ${day(state.lastUsedAt)}`;
  const end = state.status === 'revoked' ? `revoked ${day(state.revokedAt)}` : state.expiresAt === Infinity ? 'does not expire' : `expires ${day(state.expiresAt)}`;
  return [keyId, names.padEnd(15), `created ${day(state.createdAt)}`, used, end, state.name].join('  ');
}

/** The nats-server of the AI Forge that runs on this data directory, else the one of the settings. */
function serverOf(config: Config): NatsServer {
  if (process.env['FORGE_NATS_URL']) return config;
  const owner = readLock(join(config.dataDir, 'lock'));
  if (owner !== undefined && isAlive(owner) && typeof owner['natsUrl'] === 'string') return { natsUrl: owner['natsUrl'] };
  throw new ForgeError('unavailable', `No AI Forge runs on ${config.dataDir}: start it with npm start, or say where NATS is with FORGE_NATS_URL`);
}

async function main(args: string[]): Promise<void> {
  let parsed;
  try {
    parsed = parseArgs({ args, allowPositionals: true, options: { name: { type: 'string' }, scopes: { type: 'string' }, 'expires-days': { type: 'string' } } });
  } catch (error) {
    throw new Usage((error as Error).message);
  }
  const { positionals: [command, keyId, ...rest], values } = parsed;
  const given = keyId !== undefined;
  if (rest.length > 0 || !['create', 'list', 'revoke'].includes(command ?? '') || (command === 'revoke') !== given) throw new Usage('create, list or revoke a key');
  if (command !== 'create' && Object.keys(values).length > 0) throw new Usage(`${command} takes no options`);
  if (command === 'create' && (values.name === undefined || values.scopes === undefined)) throw new Usage('create needs --name and --scopes');
  const request = command === 'create' ? { name: values.name!, scopes: scopesOf(values.scopes!), expiresInSeconds: secondsOf(values['expires-days']) } : undefined;

  const config = loadConfig(process.env);
  requireRole(config, 'operator');
  const connection = await connectNats(serverOf(config), 'operator-keys', '_INBOX.operator.keys');
  const ledger = new Ledger({ store: await createJetStreamStore(connection, { replicas: config.natsReplicas }), aggregates: [apiKeyAggregate] as never, logger: createLogger('keys') });
  try {
    await ledger.start();
    if (request !== undefined) {
      const made = await createKey(ledger, request, actor);
      console.error(`Key ${made.keyId}. It is shown this once and stored nowhere:`);
      console.log(made.secret);
    } else if (command === 'revoke') {
      console.log(lineOf(keyId!, await revokeKey(ledger, keyId!, actor)));
    } else {
      for (const [id, state] of listKeys(ledger)) console.log(lineOf(id, state));
    }
  } finally {
    await ledger.stop();
    await connection.close();
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Usage ? `${error.message}\n${usage}` : error instanceof ForgeError ? error.message : (error as Error).stack);
  process.exitCode = 1;
});
