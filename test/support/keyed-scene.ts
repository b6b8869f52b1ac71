import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { apiKeyAggregate } from '../../core/access/api-key.ts';
import { createKey } from '../../core/access/manage.ts';
import { loadConfig } from '../../core/config.ts';
import { Scope } from '../../core/gen/aiforge/v1/access_pb.ts';
import { createLogger } from '../../core/logger.ts';
import { connectNats } from '../../core/nats.ts';
import { createJetStreamStore } from '../../core/store/jetstream-store.ts';
import { Ledger } from '../../core/store/ledger.ts';
import { createGateway } from '../../gateway/app.ts';
import { startNats, type TestNats } from './nats.ts';

/** Gateways that ask for keys, on a real nats-server, before an upstream whose answers the test gives. */
export interface KeyedScene {
  nats: TestNats;
  url: string;
  keys: Record<'inference' | 'train' | 'admin', string>;
  /** All that the gateways have logged. */
  log(): string;
  get(path: string, key: string): Promise<Response>;
  post(path: string, key: string | undefined, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  /** A ledger of the keys, as a process beside the gateways has it. */
  ledger: Ledger;
  /** Another gateway on the same events. */
  another(settings?: Record<string, string>): Promise<string>;
  /** Resolves with the next chat that the upstream gets; unanswered until the test does. */
  nextChat(): Promise<ServerResponse>;
}

export async function keyedScene(t: Pick<Test, 'teardown'>, settings: Record<string, string> = {}): Promise<KeyedScene> {
  const nats = await startNats(t);
  const ends: (() => Promise<unknown>)[] = [];
  t.teardown(async () => {
    for (const end of ends.reverse()) await end();
  });
  const waiting: ServerResponse[] = [];
  let wake: (() => void) | undefined;
  const upstream = createServer((request, response) => {
    if (request.url === '/v1/models') return void response.setHeader('content-type', 'application/json').end('{"object":"list","data":[{"id":"tiny","object":"model","created":1}]}');
    request.resume();
    waiting.push(response);
    wake?.();
  }).listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  ends.push(async () => { upstream.close(); upstream.closeAllConnections(); });

  const connection = await connectNats(nats.url, 'keys');
  let log = '';
  const logger = createLogger('gateway', (line) => (log += line));
  const ledger = new Ledger({ store: await createJetStreamStore(connection), aggregates: [apiKeyAggregate] as never, logger });
  await ledger.start();
  ends.push(async () => { await ledger.stop(); await connection.close(); });
  const make = async (name: string, scope: Scope): Promise<string> => (await createKey(ledger, { name, scopes: [scope] }, 'test')).secret;
  const keys = { inference: await make('inference', Scope.INFERENCE), train: await make('train', Scope.TRAIN), admin: await make('admin', Scope.ADMIN) };

  const another = async (more: Record<string, string> = {}): Promise<string> => {
    const dataDir = await mkdtemp(join(tmpdir(), 'forge-keyed-'));
    const own = await connectNats(nats.url, `deploy-${ends.length}`);
    const config = loadConfig({ FORGE_NATS_URL: nats.url, FORGE_DATA_DIR: dataDir, FORGE_PORT: '0', FORGE_WORKER_ID: `gateway-${ends.length}`, FORGE_INFERENCE: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`, FORGE_API_KEYS: 'on', ...settings, ...more });
    const gateway = createGateway({ config, connection: own, logger });
    const { port } = await gateway.start();
    ends.push(async () => { await gateway.stop(); await own.close(); await rm(dataDir, { recursive: true, force: true }); });
    return `http://127.0.0.1:${port}`;
  };
  const url = await another();
  return {
    nats, url, keys, ledger, another,
    log: () => log,
    get: (path, key) => fetch(url + path, { headers: { authorization: `Bearer ${key}` } }),
    post: (path, key, body = {}, headers = {}) => fetch(url + path, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...(key === undefined ? {} : { authorization: `Bearer ${key}` }), ...headers } }),
    async nextChat() {
      while (waiting.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      return waiting.shift()!;
    },
  };
}
