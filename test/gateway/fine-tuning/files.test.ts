// Files of the OpenAI lane: every way of sending one, and what is refused.
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import OpenAI, { toFile } from 'openai';
import t from 'tap';
import { dataPaths } from '../../../core/config.ts';
import { maxTrainingFileBytes } from '../../../core/training-file/limits.ts';
import { chatLines, sdk } from '../../support/fine-tuning.ts';
import { gatewayScene } from '../../support/gateway-scene.ts';

t.setTimeout(120_000);
const scene = await gatewayScene(t);
const client = sdk(scene);
const blobDir = dataPaths(scene.config.dataDir).blobs;

const stored = async (): Promise<string[]> => {
  const entries = await readdir(blobDir, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name).sort();
};
const upload = (text: string, name = 'train.jsonl') => client.files.create({ file: new File([text], name), purpose: 'fine-tune' });

const errorOf = (work: PromiseLike<unknown>): PromiseLike<unknown> => work.then(() => undefined, (error: unknown) => error);

/** A form as it goes over the wire, in the order that is given. */
function form(parts: [name: string, value: string, filename?: string][]): { body: string; headers: Record<string, string> } {
  const body = parts.map(([name, value, filename]) => `--xyz\r\ncontent-disposition: form-data; name="${name}"${filename === undefined ? '' : `; filename="${filename}"\r\ncontent-type: application/octet-stream`}\r\n\r\n${value}\r\n`).join('');
  return { body: `${body}--xyz--\r\n`, headers: { 'content-type': 'multipart/form-data; boundary=xyz' } };
}
const send = async ({ body, headers }: { body: string; headers: Record<string, string> }) => {
  const response = await fetch(`${scene.url}/v1/files`, { method: 'POST', body, headers });
  return { status: response.status, requestId: response.headers.get('x-request-id'), body: (await response.json()) as any };
};

t.test('a file is kept as it was sent', async (t) => {
  const text = `\ufeff${chatLines(3)}\r\n${chatLines(1, 'ä').trimEnd()}`;
  const file = await upload(text, 'näme.jsonl');
  t.match(file, { object: 'file', bytes: Buffer.byteLength(text), filename: 'näme.jsonl', purpose: 'fine-tune', status: 'processed' });
  t.same(await client.files.retrieve(file.id), file);
  const answer = await client.files.content(file.id);
  t.equal(Buffer.from(await answer.arrayBuffer()).toString(), text);
  await scene.restart();
  t.same(await sdk(scene).files.retrieve(file.id), file, 'also after a restart');
  t.same(await sdk(scene).files.delete(file.id), { id: file.id, object: 'file', deleted: true });
  for (const gone of [client.files.retrieve(file.id), client.files.content(file.id), client.files.delete(file.id)]) t.ok((await errorOf(gone)) instanceof OpenAI.NotFoundError);
});

t.test('the fields may come in any order', async (t) => {
  for (const parts of [[['purpose', 'fine-tune'], ['file', chatLines(2), 'a.jsonl']], [['file', chatLines(2), 'a.jsonl'], ['purpose', 'fine-tune']]] as const) {
    t.match(await send(form(parts as never)), { status: 200, requestId: String, body: { bytes: chatLines(2).length } });
  }
});

t.test('what is wrong is named, and nothing is stored', async (t) => {
  const before = await stored();
  const user = { role: 'user', content: 'q' };
  const good = chatLines(1);
  const bad: [text: string, says: RegExp][] = [
    ['', /has no example/],
    ['\n \n', /has no example/],
    [`${good}{"messages": [\n`, /^400 file: 1 wrong line: line 2: is not JSON/],
    [`${good}\n${JSON.stringify({ prompt: 'a', completion: 'b' })}`, /line 3: is in prompt\/completion form/],
    [JSON.stringify({ messages: [user] }), /line 1: "messages" must hold 2 to 256/],
    [JSON.stringify({ messages: [user, { role: 'assistant', content: null, tool_calls: [] }] }), /line 1: messages\[1\]: "content" must be text/],
    ['{\n'.repeat(25), /25 wrong lines: line 1: .*line 10: .*; and 15 more$/],
    [`{"messages": "${'x'.repeat(1 << 20)}"}\n`, /line 1: has more than 1048576 bytes/],
  ];
  for (const [text, says] of bad) t.match(await errorOf(upload(text)), { status: 400, param: 'file', message: says, code: 'invalid_argument', type: 'invalid_request_error' }, String(says));
  t.ok((await errorOf(upload(''))) instanceof OpenAI.BadRequestError);
  t.match(await errorOf(client.files.create({ file: await toFile(Buffer.from('{"messages": "\xff"}\n', 'latin1'), 'a.jsonl'), purpose: 'fine-tune' })), { message: /line 1: is not UTF-8/ });

  for (const purpose of ['assistants', 'batch', 'vision', 'user_data', 'evals'] as const) {
    t.match(await errorOf(client.files.create({ file: new File(['%PDF'], 'a.pdf'), purpose })), { status: 400, param: 'purpose', message: /must be "fine-tune"/ });
  }
  t.match(await errorOf(client.files.create({ file: new File([good], 'a.jsonl'), purpose: 'fine-tune', expires_after: { anchor: 'created_at', seconds: 3600 } })), { status: 400, param: 'expires_after' });

  const file: [string, string, string] = ['file', good, 'a.jsonl'];
  const forms: [parts: [string, string, string?][], param: string][] = [
    [[file], 'purpose'],
    [[['purpose', 'fine-tune']], 'file'],
    [[['purpose', 'fine-tune'], ['file', good]], 'file'],
    [[['purpose', 'fine-tune'], file, file], 'file'],
    [[['purpose', 'fine-tune'], ['purpose', 'fine-tune'], file], 'purpose'],
    [[['purpose', 'fine-tune'], ['color', 'red'], file], 'color'],
    [[['purpose', 'fine-tune'], ['file', good, '']], 'file'],
    [[['purpose', 'x'.repeat(2000)], file], 'purpose'],
  ];
  for (const [parts, param] of forms) t.match(await send(form(parts)), { status: 400, body: { error: { param, type: 'invalid_request_error' }, detail: String } }, JSON.stringify(parts.map(([name]) => name)));

  t.match(await send({ body: '{}', headers: { 'content-type': 'application/json' } }), { status: 400, body: { detail: /multipart\/form-data/ } });
  t.match(await send({ body: 'x', headers: { 'content-type': 'multipart/form-data' } }), { status: 400, body: { detail: /multipart\/form-data/ } });
  const whole = form([['purpose', 'fine-tune'], file]);
  t.match(await send({ ...whole, body: whole.body.slice(0, -40) }), { status: 400 }, 'a form that is cut off');
  t.same(await stored(), before);
});

t.test('over the limit is 413', async (t) => {
  const { hostname, port } = new URL(scene.url);
  const socket = connect(Number(port), hostname);
  socket.write(`POST /v1/files HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=xyz\r\ncontent-length: ${3 * maxTrainingFileBytes}\r\n\r\n--xyz\r\n`);
  const [answer] = await once(socket, 'data');
  t.match(String(answer), /^HTTP\/1.1 413 /);
  t.match(String(answer), /file: must have at most 536870912 bytes/);
  socket.destroy();
});

t.test('a client that goes away in the middle leaves nothing behind', async (t) => {
  const before = await stored();
  const { hostname, port } = new URL(scene.url);
  const socket = connect(Number(port), hostname);
  const { body } = form([['purpose', 'fine-tune'], ['file', chatLines(200_000), 'a.jsonl']]);
  socket.write(`POST /v1/files HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=xyz\r\ncontent-length: ${body.length}\r\n\r\n`);
  socket.write(body.slice(0, body.length >> 1));
  const halfWritten = async (): Promise<number> => (await readdir(join(blobDir, 'tmp')).catch(() => [])).length;
  while ((await halfWritten()) === 0) await new Promise(setImmediate);
  t.equal(await halfWritten(), 1, 'it is being stored');
  socket.destroy();
  while ((await halfWritten()) > 0) await new Promise(setImmediate);
  t.same(await stored(), before);
  t.same((await client.files.list()).data.filter((file) => file.filename === 'a.jsonl' && file.bytes > 10_000), []);
});

t.test('an Idempotency-Key stands for one file', async (t) => {
  const create = (text: string) => client.files.create({ file: new File([text], 'once.jsonl'), purpose: 'fine-tune' }, { headers: { 'idempotency-key': 'once' } });
  const files = await Promise.all([create(chatLines(5)), create(chatLines(5))]);
  t.equal(files[0].id, files[1].id);
  t.equal((await create(chatLines(5))).id, files[0].id);
  const before = await stored();
  t.match(await errorOf(create(chatLines(6))), { status: 409, code: 'idempotency_conflict' });
  t.same(await stored(), before);
  await client.files.delete(files[0].id);
  t.match(await errorOf(create(chatLines(5))), { status: 400, message: /was deleted; use a new key/ });
});

t.test('lists are paged by cursor', async (t) => {
  for (const file of await Array.fromAsync(client.files.list())) await client.files.delete(file.id);
  const made: string[] = [];
  for (let n = 0; n < 5; n++) made.push((await upload(chatLines(n + 1))).id);
  const ids = async (query: OpenAI.FileListParams) => (await Array.fromAsync(client.files.list(query))).map((file) => file.id);
  t.same(await ids({ limit: 2, order: 'asc' }), made);
  t.same(await ids({ limit: 2 }), [...made].reverse(), 'the newest first');
  t.same(await ids({ purpose: 'fine-tune' }), [...made].reverse());
  t.same(await ids({ purpose: 'assistants' }), []);
  t.match((await scene.get(`/v1/files?limit=2&order=asc&after=${made[0]}`)).body, { object: 'list', first_id: made[1], last_id: made[2], has_more: true });
  for (const [query, param] of [['limit=0', 'limit'], ['limit=10001', 'limit'], ['limit=x', 'limit'], ['order=up', 'order'], ['after=file-none', 'after'], ['color=red', 'color'], ['limit=1&limit=2', 'limit']] as const) {
    t.match(await scene.get(`/v1/files?${query}`), { status: 400, body: { error: { param } } }, query);
  }
  t.match(await scene.get('/v1/files/file-none/content'), { status: 404, body: { error: { param: 'file_id', code: 'not_found' } } });
});
