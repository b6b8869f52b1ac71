// Blobs over HTTP, as their requests and answers are.
import { EventEmitter, once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { blobPath } from '../../../core/blobs/blob-files.ts';
import { silentLogger } from '../../../core/logger.ts';
import { sha256Hex } from '../../../core/store/envelope.ts';
import type { Ledger } from '../../../core/store/ledger.ts';
import { taskAggregate } from '../../../core/task/task.ts';
import { attemptToken, newSecret } from '../../../core/worker/attempt-token.ts';
import { createBlobAccess } from '../../../gateway/blobs/access.ts';
import { createOpenTransfers } from '../../../gateway/blobs/open-transfers.ts';
import { rangeOf } from '../../../gateway/blobs/range.ts';
import { blobGateway, type BlobGatewayScene } from '../../support/blob-gateway.ts';
import { filesBelow } from '../../support/nats.ts';

t.setTimeout(60_000);

const bytes = Buffer.from(Array.from({ length: 1000 }, (_, n) => n % 251));
const digest = sha256Hex(bytes);

function client({ url }: Pick<BlobGatewayScene, 'url'>, token?: string) {
  return async (verb: string, path: string, headers: Record<string, string> = {}, body?: Uint8Array) => {
    const response = await fetch(`${url}/internal/blobs/${path}`, { method: verb, headers: { ...headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) }, ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }) });
    return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) };
  };
}

t.test('ranges', async (t) => {
  const cases: [string | undefined, number, unknown][] = [
    [undefined, 10, undefined], ['bytes=0-0', 10, { start: 0, end: 0 }], ['bytes=3-', 10, { start: 3, end: 9 }], ['bytes=3-99', 10, { start: 3, end: 9 }],
    ['bytes=-3', 10, { start: 7, end: 9 }], ['bytes=-99', 10, { start: 0, end: 9 }], ['bytes=10-', 10, 'unsatisfiable'], ['bytes=-0', 10, 'unsatisfiable'], ['bytes=0-', 0, 'unsatisfiable'],
    ['bytes=5-3', 10, undefined], ['bytes=-', 10, undefined], ['bytes=0-1,3-4', 10, undefined], ['lines=0-1', 10, undefined], ['bytes=x-', 10, undefined],
  ];
  for (const [header, size, expected] of cases) t.strictSame(rangeOf(header, size), expected, `${header} of ${size}`);
});

t.test('a blob is stored by PUT and read whole, in ranges, or not at all', async (t) => {
  const scene = await blobGateway(t);
  const send = client(scene);
  t.equal((await send('GET', digest)).status, 404);
  const put = await send('PUT', digest, {}, bytes);
  t.strictSame([put.status, JSON.parse(put.bytes.toString())], [201, { digest, size: bytes.length }]);
  t.equal((await send('PUT', digest, {}, bytes)).status, 200, 'again it is there');

  const whole = await send('GET', digest);
  t.strictSame([whole.status, whole.headers.get('etag'), whole.headers.get('accept-ranges'), whole.bytes], [200, `"${digest}"`, 'bytes', bytes]);
  const head = await send('HEAD', digest, { range: 'bytes=5-9' });
  t.strictSame([head.status, head.headers.get('content-length'), head.bytes.length], [200, '1000', 0]);
  const part = await send('GET', digest, { range: 'bytes=990-' });
  t.strictSame([part.status, part.headers.get('content-range'), part.bytes], [206, 'bytes 990-999/1000', bytes.subarray(990)]);
  const past = await send('GET', digest, { range: 'bytes=1000-' });
  t.strictSame([past.status, past.headers.get('content-range')], [416, 'bytes */1000']);
  t.equal((await send('GET', digest, { range: 'bytes=1-2', 'if-range': '"other"' })).status, 200, 'a range of something else is not wanted');
  t.equal((await send('GET', digest, { 'if-none-match': `W/"x", "${digest}"` })).status, 304);

  const refused: [string, string, number, RegExp][] = [
    ['GET', 'abc', 400, /digest: "abc" is not a SHA-256/], ['GET', digest.toUpperCase(), 400, /digest: /], ['POST', digest, 405, /POST/], ['GET', `${digest}/upload`, 405, /GET/],
    ['GET', `${digest}/other`, 404, /nothing/], ['DELETE', `${digest}?stored_before=soon`, 400, /stored_before: /],
  ];
  for (const [verb, path, status, detail] of refused) {
    const answer = await send(verb, path);
    t.equal(answer.status, status, `${verb} ${path}`);
    t.match(JSON.parse(answer.bytes.toString()).detail, detail);
  }
});

t.test('what is altered, too large or cut off is refused and leaves nothing', async (t) => {
  const scene = await blobGateway(t, { maxBytes: 2000 });
  const send = client(scene);
  const wrong = await send('PUT', digest, {}, Buffer.concat([bytes, Buffer.from('x')]));
  t.equal(wrong.status, 400);
  t.match(wrong.bytes.toString(), /body: its bytes hash to [0-9a-f]{64}, which is not the digest of the path/);
  t.equal((await send('PUT', digest, {}, Buffer.alloc(2001))).status, 413);
  t.equal((await send('POST', `${digest}/upload`, { 'upload-length': '2001' })).status, 413);
  t.equal((await send('PATCH', `${digest}/upload`, { 'upload-offset': '0', 'upload-complete': '?1' }, Buffer.alloc(2001))).status, 413);
  t.equal((await send('PATCH', `${digest}/upload`, { 'upload-offset': '0', 'upload-complete': '?1' }, bytes.subarray(1))).status, 400, 'an upload that ends too early is none');
  t.strictSame(await filesBelow(join(scene.root, 'uploads')), []);

  const { port } = new URL(scene.url);
  const socket = connect(Number(port), '127.0.0.1');
  socket.write(`PUT /internal/blobs/${digest} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000\r\n\r\n`);
  socket.write(bytes.subarray(0, 500));
  const tmp = join(scene.root, 'tmp');
  while ((await readdir(tmp).catch(() => [])).length === 0) await new Promise((resolve) => setImmediate(resolve));
  socket.destroy();
  await once(socket, 'close');
  while ((await readdir(tmp)).length > 0) await new Promise((resolve) => setImmediate(resolve));
  t.equal((await send('HEAD', digest)).status, 404);
});

t.test('an upload goes on where it broke', async (t) => {
  const scene = await blobGateway(t);
  const send = client(scene);
  const upload = `${digest}/upload`;
  const begun = await send('POST', upload, { 'upload-length': '1000' });
  t.strictSame([begun.status, begun.headers.get('upload-offset'), begun.headers.get('upload-complete')], [202, '0', '?0']);
  t.strictSame((await send('PATCH', upload, { 'upload-offset': '0', 'upload-complete': '?0' }, bytes.subarray(0, 300))).headers.get('upload-offset'), '300');
  const at = await send('HEAD', upload);
  t.strictSame([at.status, at.headers.get('upload-offset'), at.headers.get('upload-complete')], [204, '300', '?0']);
  t.equal((await send('HEAD', digest)).status, 404, 'a part is no blob');
  t.equal((await send('PATCH', upload, { 'upload-offset': '400', 'upload-complete': '?0' }, bytes.subarray(400))).status, 409, 'no hole is left');
  for (const [name, value] of [['upload-offset', 'x'], ['upload-offset', '-1'], ['upload-complete', 'yes']] as const) {
    const answer = await send('PATCH', upload, { 'upload-offset': '300', 'upload-complete': '?0', [name]: value }, bytes.subarray(300));
    t.equal(answer.status, 400);
    t.match(answer.bytes.toString().toLowerCase(), `${name}: must be`);
  }
  t.equal((await send('POST', upload)).status, 400, 'its length is to be known');

  // A connection that breaks in the middle of a part.
  const { port } = new URL(scene.url);
  const socket = connect(Number(port), '127.0.0.1');
  socket.write(`PATCH /internal/blobs/${upload} HTTP/1.1\r\nhost: 127.0.0.1\r\nupload-offset: 300\r\nupload-complete: ?1\r\ncontent-length: 700\r\n\r\n`);
  socket.write(bytes.subarray(300, 500));
  while ((await send('HEAD', upload)).headers.get('upload-offset') !== '500') await new Promise((resolve) => setImmediate(resolve));
  // It is still open there: whoever goes on takes the upload from it.
  const done = await send('PATCH', upload, { 'upload-offset': '500', 'upload-complete': '?1' }, bytes.subarray(500));
  t.strictSame([done.status, JSON.parse(done.bytes.toString())], [201, { digest, size: 1000 }]);
  socket.write(Buffer.alloc(500));
  const [answer] = (await once(socket, 'data')) as [Buffer];
  t.match(answer.toString(), /^HTTP\/1\.1 409 /, 'and what it sends afterwards changes nothing');
  socket.destroy();
  t.strictSame(await readFile(blobPath(scene.root, digest)), bytes);
  t.strictSame(await filesBelow(join(scene.root, 'uploads')), []);
  const again = await send('POST', upload, { 'upload-length': '1000' });
  t.strictSame([again.status, again.headers.get('upload-complete')], [200, '?1'], 'it is there');
});

t.test('storing a blob mends one that was altered', async (t) => {
  const scene = await blobGateway(t);
  const send = client(scene);
  await send('PUT', digest, {}, bytes);
  const altered = Buffer.from(bytes).fill(0, 500, 501);
  await writeFile(blobPath(scene.root, digest), altered);
  t.equal((await send('PUT', digest, {}, bytes)).status, 200);
  t.strictSame(await readFile(blobPath(scene.root, digest)), bytes, 'whole');
  await writeFile(blobPath(scene.root, digest), bytes.subarray(1));
  t.equal((await send('POST', `${digest}/upload`, { 'upload-length': '1000' })).status, 202, 'cut off');
  await writeFile(blobPath(scene.root, digest), altered);
  t.strictSame((await send('GET', digest, { range: 'bytes=0-' })).bytes, altered, 'a range is not verified');
  t.strictSame((await send('GET', digest)).bytes, altered, 'its reader finds it');
  t.equal((await send('POST', `${digest}/upload`, { 'upload-length': '1000' })).status, 202, 'and it is not there any more');
});

t.test('a token of an attempt reads and adds, as long as the attempt runs', async (t) => {
  for (const stale of [false, true]) {
    const scene = await blobGateway(t, { stale });
    const one = await scene.attempt('job_1.export');
    const other = await scene.attempt('job_2.export');
    const send = client(scene, one.token);
    t.equal((await send('PUT', digest, {}, bytes)).status, 201);
    t.equal((await send('GET', digest)).status, 200);
    const removed = await send('DELETE', digest);
    t.equal(removed.status, 403);
    t.match(removed.bytes.toString(), /removes nothing/);

    const part = sha256Hex('part');
    await send('PATCH', `${part}/upload`, { 'upload-offset': '0', 'upload-complete': '?0' }, Buffer.from('pa'));
    t.equal((await client(scene, other.token)('HEAD', `${part}/upload`)).headers.get('upload-offset'), '0', 'another attempt’s upload is its own');

    const [prefix, task, attempt, secret] = one.token.split('~');
    const wrong = { 'another secret': [prefix, task, attempt, other.token.split('~')[3]], 'another task': [prefix, 'job_2.export', attempt, secret], 'an attempt to come': [prefix, task, '2', secret], 'an unknown task': [prefix, 'job_9', '1', secret], 'no secret': [prefix, task, attempt, ''], nothing: [prefix, ''] };
    for (const [what, parts] of Object.entries(wrong)) {
      const answer = await client(scene, parts.join('~'))('GET', digest);
      t.equal(answer.status, 401, what);
      t.match(answer.headers.get('www-authenticate'), /invalid_token/);
    }
    await one.lose();
    for (const [verb, path, body] of [['GET', digest], ['PUT', digest, bytes], ['POST', `${digest}/upload`], ['PATCH', `${digest}/upload`, bytes]] as const) {
      const answer = await send(verb, path, {}, body);
      t.equal(answer.status, 401, `${verb} after its end`);
      t.match(answer.bytes.toString(), /there is no such attempt, it is over, or its token is another/, 'no more than of one that never was');
    }
    t.equal((await client(scene, other.token)('GET', digest)).status, 200, 'another attempt goes on');
  }
});

t.test('tokens that are made up cost the stream’s leader little', async (t) => {
  const { ledger, attempt } = await blobGateway(t);
  let reads = 0;
  let hold = Promise.withResolvers<void>();
  hold.resolve();
  const seen = { head: () => ({ state: taskAggregate.initialState }), refresh: async (...of: Parameters<Ledger['refresh']>) => (reads++, await hold.promise, ledger.refresh(...of)) } as never;
  const accessOf = createBlobAccess(seen);
  const enter = (token: string) => accessOf({ headers: { authorization: `Bearer ${token}` } } as IncomingMessage);
  const madeUp = () => attemptToken({ taskId: 'job_1.export', attempt: 1 }, newSecret());

  const first = madeUp();
  for (let n = 0; n < 3; n++) await t.rejects(enter(first), { code: 'unauthenticated' });
  t.equal(reads, 1, 'the same one again is not looked up again');
  const { token } = await attempt('job_1.export');
  t.match(await enter(token), { attempt: { taskId: 'job_1.export', attempt: 1 } }, 'nor keeps the attempt out that begins then');

  hold = Promise.withResolvers();
  reads = 0;
  const many = Array.from({ length: 20 }, () => enter(attemptToken({ taskId: 'job_9', attempt: 1 }, newSecret())).catch((error: { code: string }) => error.code));
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(reads, 8);
  hold.resolve();
  t.strictSame((await Promise.all(many)).sort(), [...Array<string>(12).fill('rate_limited'), ...Array<string>(8).fill('unauthenticated')]);
  t.match(await enter(token), { attempt: { attempt: 1 } });
});

t.test('what an attempt transfers is cut when it ends', async (t) => {
  const scene = await blobGateway(t);
  const one = await scene.attempt('job_1.export');
  const other = await scene.attempt('job_2.export');
  const { port } = new URL(scene.url);
  const begin = async (token: string): Promise<Socket> => {
    const socket = connect(Number(port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(`PATCH /internal/blobs/${digest}/upload HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${token}\r\nupload-offset: 0\r\nupload-complete: ?1\r\ncontent-length: 1000\r\n\r\n`);
    socket.write(bytes.subarray(0, 500));
    while ((await client(scene, token)('HEAD', `${digest}/upload`)).headers.get('upload-offset') !== '500') await new Promise((resolve) => setImmediate(resolve));
    return socket;
  };
  const [cut, kept] = [await begin(one.token), await begin(other.token)];
  const closed = once(cut, 'close');
  await one.lose();
  await closed;
  kept.write(bytes.subarray(500));
  const [answer] = (await once(kept, 'data')) as [Buffer];
  t.match(answer.toString(), /^HTTP\/1\.1 201 /, 'another attempt’s goes on');
  while ((await filesBelow(join(scene.root, 'uploads'))).length > 0) await new Promise((resolve) => setImmediate(resolve));
  t.pass('and nothing stays of what was cut');
  kept.destroy();
});

t.test('a response whose client has gone is not waited for', async (t) => {
  const { ledger, attempt } = await blobGateway(t);
  const transfers = createOpenTransfers({ ledger, parts: { drop: async () => {} }, logger: silentLogger });
  const gone = Object.assign(new EventEmitter(), { destroyed: true, destroy: () => void t.fail('it was kept') });
  const open = Object.assign(new EventEmitter(), { destroyed: false, destroy: () => void open.emit('close') });
  const { lose } = await attempt('job_1.export');
  for (const response of [gone, open]) transfers.add({ taskId: 'job_1.export', attempt: 1 }, response as never);
  const closed = once(open, 'close');
  await lose();
  await closed;
  t.equal(gone.listenerCount('close'), 0);
});

t.test('a full disk is told as one, and not tried again', async (t) => {
  let tries = 0;
  const append = async (): Promise<number> => {
    tries += 1;
    throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  };
  const scene = await blobGateway(t, { parts: { append } });
  t.equal((await client(scene)('PATCH', `${digest}/upload`, { 'upload-offset': '0', 'upload-complete': '?1' }, bytes)).status, 507);
  tries = 0;
  await t.rejects((await scene.elsewhere()).store.put([bytes]), { code: 'ENOSPC', message: /no space is left for blobs on the gateway’s disk/ });
  t.equal(tries, 1);
});

t.test('a client finds what was altered in its own cache, and fetches it anew', async (t) => {
  const scene = await blobGateway(t);
  const { store, cache } = await scene.elsewhere();
  await store.put([bytes]);
  await writeFile(blobPath(cache, digest), 'altered');
  t.strictSame(Buffer.concat(await Array.fromAsync((await scene.elsewhere()).store.read(digest))), bytes);
  const target = join(cache, 'copy');
  await store.materialize(digest, target);
  t.strictSame(await readFile(target), bytes);
});
