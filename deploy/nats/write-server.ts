import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isLoopback } from '../../core/config.ts';
import { ForgeError } from '../../core/errors.ts';
import { readIdentities, writeIdentities } from './identities.ts';
import { checkConfig } from './reload.ts';
import { serverConfig } from './server-config.ts';

const addressPattern = /^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):(\d{1,5})$/;
const certificates = ['ca.pem', 'server.pem', 'server-key.pem'];

/**
 * Writes DIR/nats-server.conf, and an accounts.conf where there is none, and has nats-server check them.
 * @throws ForgeError invalid_argument, with nothing changed
 */
export function writeServer(dir: string, values: { listen?: string; store?: string; name?: string; cluster?: string }): void {
  const { listen = '127.0.0.1:4222', store = '/var/lib/ai-forge/nats', name = 'nats' } = values;
  const cluster = values.cluster === undefined ? undefined : clusterOf(values.cluster, values.name);
  const host = addressOf(listen, '--listen');
  const tlsDir = join(dir, 'tls');
  const missing = certificates.filter((file) => !existsSync(join(tlsDir, file)));
  // Whoever reads along could not take a seed, which is never sent, and could take everything else.
  if (missing.length > 0 && (!isLoopback(host) || cluster !== undefined)) throw new ForgeError('invalid_argument', `${missing.join(', ')} missing in ${tlsDir}: other hosts are spoken to by TLS alone; make them with deploy/nats/make-certificates.sh ${tlsDir} HOST...`);
  const storeDir = resolve(store);
  const settings = { name, listen, storeDir, pidFile: `${storeDir}.pid`, tlsDir: missing.length > 0 ? undefined : tlsDir, ...(cluster === undefined ? {} : { cluster }) };
  if (!existsSync(join(dir, 'accounts.conf'))) writeIdentities(dir, readIdentities(dir));
  const path = join(dir, 'nats-server.conf');
  writeFileSync(`${path}.new`, serverConfig(settings), { mode: 0o644 });
  checkConfig(`${path}.new`);
  renameSync(`${path}.new`, path);
  console.log(`${path} is written, and nats-server finds nothing wrong with it.`);
}

/** @returns the host */
function addressOf(text: string, option: string): string {
  const match = addressPattern.exec(text);
  if (match === null || Number(match[2]) > 65_535) throw new ForgeError('invalid_argument', `${option}: must be HOST:PORT, not "${text}"`);
  return match[1]!.replace(/^\[(.*)\]$/, '$1');
}

function clusterOf(text: string, name: string | undefined): Record<string, string> {
  const nodes = text.split(',').map((one) => one.split('=') as [string, string]);
  for (const [node, address = ''] of nodes) {
    if (!/^[A-Za-z0-9_-]{1,63}$/.test(node)) throw new ForgeError('invalid_argument', `--cluster: must be nodes such as n1=10.0.0.1:6222, separated by commas, not "${text}"`);
    addressOf(address, '--cluster');
  }
  const cluster = Object.fromEntries(nodes);
  if (Object.keys(cluster).length !== nodes.length || nodes.length < 3 || nodes.length % 2 === 0) throw new ForgeError('invalid_argument', `--cluster: must name 3 or 5 different nodes, this one among them, not ${nodes.length}: an even number outlives no more failures than the one below it`);
  if (name === undefined || !Object.hasOwn(cluster, name)) throw new ForgeError('invalid_argument', `--name: must be which of the nodes of --cluster this is (${Object.keys(cluster).join(', ')})`);
  return cluster;
}
