import { join } from 'node:path';

/** A nats-server's own settings: what is the same on all nodes is in accounts.conf. */
export interface NatsServerSettings {
  /** Unique in a cluster. */
  name: string;
  /** `host:port` for clients. */
  listen: string;
  /** Where JetStream keeps its files. */
  storeDir: string;
  pidFile: string;
  /** Folder of ca.pem, server.pem and server-key.pem; undefined: no TLS, for loopback alone. */
  tlsDir: string | undefined;
  /** `host:port` of all nodes by name, this one's among them; undefined for a single node. */
  cluster?: Readonly<Record<string, string>>;
  /** Where this node listens for the others, if it is not all addresses at its port in `cluster`. */
  clusterListen?: string;
}

/** The configuration of one nats-server, to lie beside accounts.conf. */
export function serverConfig(settings: NatsServerSettings): string {
  const { name, listen, storeDir, pidFile, tlsDir, cluster } = settings;
  const text = (value: string): string => JSON.stringify(value);
  const tls = (verify: boolean): string[] =>
    tlsDir === undefined ? [] : ['tls {', `  cert_file: ${text(join(tlsDir, 'server.pem'))}`, `  key_file: ${text(join(tlsDir, 'server-key.pem'))}`, `  ca_file: ${text(join(tlsDir, 'ca.pem'))}`, ...(verify ? ['  verify: true'] : []), '}'];
  return [
    '# Written by npm run fleet -- server.',
    `server_name: ${text(name)}`,
    `listen: ${text(listen)}`,
    'max_payload: 1MB',
    'write_deadline: "10s"',
    `pid_file: ${text(pidFile)}`,
    'jetstream {',
    `  store_dir: ${text(storeDir)}`,
    '  # Every append is on disk before it is acknowledged; the default loses acknowledged writes at a power failure.',
    '  sync_interval: always',
    '}',
    ...tls(false),
    ...(cluster === undefined ? [] : clusterBlock(settings, cluster, tls(true))),
    'include "accounts.conf"',
    '',
  ].join('\n');
}

/** Nodes let each other in by certificates of the same authority, both ways. */
function clusterBlock({ name, clusterListen }: NatsServerSettings, cluster: Readonly<Record<string, string>>, tls: readonly string[]): string[] {
  const own = cluster[name]!;
  return [
    'cluster {',
    '  name: "ai-forge"',
    `  listen: ${JSON.stringify(clusterListen ?? `0.0.0.0:${own.slice(own.lastIndexOf(':') + 1)}`)}`,
    '  routes: [',
    ...Object.entries(cluster).filter(([node]) => node !== name).map(([, address]) => `    ${JSON.stringify(`nats://${address}`)}`),
    '  ]',
    ...tls.map((line) => `  ${line}`),
    '}',
  ];
}
