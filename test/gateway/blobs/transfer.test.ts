// Transfers over connections that break, and with gateways that die.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { blobPath } from '../../../core/blobs/blob-files.ts';
import { createBlobServer, createConnections } from '../../../core/blobs/http/blob-server.ts';
import { createBlobGateway } from '../../../core/blobs/http/http-blob-store.ts';
import { dataPaths } from '../../../core/config.ts';
import { sha256Hex } from '../../../core/store/envelope.ts';
import { blobGateway } from '../../support/blob-gateway.ts';
import { cuttingRelay } from '../../support/cutting-relay.ts';
import { filesBelow, freePort, startNats } from '../../support/nats.ts';
import { makeFolder } from '../../support/repository.ts';
import { createServiceProcess } from '../../support/service-process.ts';

t.setTimeout(120_000);

t.test('a blob gets through both ways over connections that break', async (t) => {
  const scene = await blobGateway(t);
  const relay = await cuttingRelay(t, Number(new URL(scene.url).port), 1 << 20);
  const bytes = randomBytes(3 << 20);
  const remote = async () => {
    const gateway = createBlobGateway({ url: relay.url, cacheRoot: await makeFolder(t), cacheMaxBytes: 1 << 30 });
    t.teardown(() => gateway.close());
    return gateway.as('', { patienceMs: 30_000 });
  };
  const blob = await (await remote()).put([bytes]);
  t.ok(relay.connections >= 3, `${relay.connections} connections for the upload`);
  t.strictSame(await readFile(blobPath(scene.root, blob.digest)), bytes);
  t.strictSame(await filesBelow(join(scene.root, 'uploads')), []);

  const before = relay.connections;
  const folder = await makeFolder(t);
  const target = join(folder, 'copy');
  const reader = await remote();
  // Whoever wants the same meanwhile waits for the same transfer.
  await Promise.all(['copy', 'another', 'third'].map((name) => reader.materialize(blob.digest, join(folder, name))));
  t.ok(relay.connections - before <= 5, `${relay.connections - before} connections for all that want it`);
  t.ok(relay.connections - before >= 3, `${relay.connections - before} connections for the download`);
  t.strictSame(await readFile(target), bytes);
});

t.test('a transfer is given up when it is told to, or nobody answers for long', async (t) => {
  const gone = `http://127.0.0.1:${await freePort()}`;
  const open = (signal?: AbortSignal) => {
    const connections = createConnections();
    t.teardown(() => connections.destroy());
    return createBlobServer({ url: gone, credential: '', connections, patienceMs: signal === undefined ? 100 : Infinity, signal });
  };
  const digest = sha256Hex('x');
  await t.rejects(open().stat(digest), { code: 'unavailable', message: /does not answer \(FORGE_BLOBS_URL\)/ });
  await t.rejects(open().upload({ digest, size: 1 }, async function* () {}), { code: 'unavailable' });
  const stop = new AbortController();
  const waiting = open(stop.signal).upload({ digest, size: 1 }, async function* () {});
  setImmediate(() => stop.abort());
  await t.rejects(waiting, { code: 'cancelled' });
});

t.test('a disk here that fails, and a gateway that does, are told and not waited for', async (t) => {
  const scene = await blobGateway(t, { parts: { append: () => Promise.reject(new Error('out of order')) } });
  const connections = createConnections();
  t.teardown(() => connections.destroy());
  const open = (url: string) => createBlobServer({ url, credential: '', connections, patienceMs: Infinity });
  const digest = sha256Hex('x');
  const failing = async function* (): AsyncGenerator<Uint8Array> {
    throw Object.assign(new Error('i/o error, read'), { code: 'EIO' });
  };
  await t.rejects(open((await blobGateway(t)).url).upload({ digest, size: 1 }, failing), { code: 'EIO', message: 'i/o error, read' });
  await t.rejects(open(scene.url).upload({ digest, size: 1 }, async function* () { yield Buffer.from('x'); }), { code: 'internal', message: /status 500/ });
  await t.rejects(open(scene.url).upload({ digest, size: 2 }, async function* () { yield Buffer.from('x'); }), { code: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH' }, 'a source that is shorter than it was');
});

t.test('a download that gets nothing new is given up', async (t) => {
  const bytes = Buffer.alloc(1000, 1);
  let requests = 0;
  // As what stands between and knows no ranges, and breaks at the same place each time.
  const server = createServer((_request, response) => {
    requests += 1;
    response.writeHead(200, { 'content-length': bytes.length });
    response.write(bytes.subarray(0, 500), () => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const connections = createConnections();
  t.teardown(() => connections.destroy());
  const lines: object[] = [];
  const logger = { warn: (_text: string, fields?: object) => void lines.push(fields ?? {}) };
  const { port } = server.address() as AddressInfo;
  const download = createBlobServer({ url: `http://127.0.0.1:${port}`, credential: '', connections, patienceMs: 300, logger }).download(sha256Hex(bytes));
  await t.rejects(Array.fromAsync(download), { code: 'unavailable', message: /500 of 1000 bytes|does not answer/ });
  t.ok(requests >= 2, `${requests} requests`);
  t.match(lines, [{ failed: 1, error: String }], 'and the first failure was told');
});

t.test('a gateway that is killed in the middle of an upload: it goes on, and nothing half was ever a blob', async (t) => {
  const nats = await startNats(t);
  const folder = await makeFolder(t);
  const port = await freePort();
  const { blobs } = dataPaths(join(folder, 'data'));
  const env = { ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('FORGE_'))), FORGE_NATS_URL: nats.url, FORGE_PORT: String(port), FORGE_DATA_DIR: join(folder, 'data'), FORGE_PROJECT_ROOTS: folder, FORGE_INFERENCE: 'http://127.0.0.1:9' };
  const gateway = createServiceProcess('gateway', [join(import.meta.dirname, '../../../gateway/main.ts')], env);
  t.teardown(() => gateway.stop());
  await gateway.ready();
  await gateway.arm(['gateway.blob.chunk:20', 'gateway.blob.chunk:20']);

  const bytes = randomBytes(8 << 20);
  const digest = sha256Hex(bytes);
  const connections = createConnections();
  t.teardown(() => connections.destroy());
  const server = createBlobServer({ url: `http://127.0.0.1:${port}`, credential: '', connections, patienceMs: 60_000 });
  const offsets: number[] = [];
  await server.upload({ digest, size: bytes.length }, async function* (offset) {
    offsets.push(offset);
    t.equal(await stat(blobPath(blobs, digest)).catch(() => undefined), undefined, `it is no blob before the end (from ${offset} on)`);
    yield bytes.subarray(offset);
  });
  t.equal(gateway.kills, 3, 'the first life was ended to give the next ones their faults');
  t.ok(offsets.at(-1)! > 0, `it went on at ${offsets.join(', ')}`);
  t.same(offsets, offsets.toSorted((a, b) => a - b), 'and lost nothing that was there');
  t.strictSame(await readFile(blobPath(blobs, digest)), bytes);
  t.strictSame(await filesBelow(join(blobs, 'uploads')), []);
});
