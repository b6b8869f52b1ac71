import { createHmac } from 'node:crypto';
import t, { type Test } from 'tap';
import { ForgeError } from '../../core/errors.ts';
import { createLogger } from '../../core/logger.ts';
import type { GuardianClient } from '../../gateway/guardian-client.ts';
import { bodyLimitBytes } from '../../gateway/openai/request-body.ts';
import { createWebhook } from '../../gateway/webhook/handler.ts';
import { announcesPush, isGenuine } from '../../gateway/webhook/verify.ts';
import { startPort } from './services.ts';

// GitHub's documented example.
const secret = "It's a Secret to Everybody";
const payload = 'Hello, World!';
const githubSignature = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';

const key = Buffer.from('a key of thirty-two bytes, surely');
const whsec = `whsec_${key.toString('base64')}`;
const now = 1_705_492_800_000;
const signed = (time: number | string, body = payload, id = 'msg_1', by: string | Buffer = key): string => `v1,${createHmac('sha256', by).update(`${id}.${time}.${body}`).digest('base64')}`;
const genuine = (headers: Record<string, string>, body = payload, by = secret): boolean => isGenuine(headers, Buffer.from(body), by, now);

t.test('GitHub’s signature', async (t) => {
  t.equal(genuine({ 'x-hub-signature-256': githubSignature }), true, 'its documented example');
  t.equal(genuine({ 'x-hub-signature-256': githubSignature }, 'Hello, World?'), false, 'another body');
  t.equal(genuine({ 'x-hub-signature-256': githubSignature }, payload, 'another secret'), false);
  t.equal(genuine({}), false, 'none');
  for (const wrong of ['', 'sha256=', githubSignature.slice(0, -1), `${githubSignature}0`, githubSignature.replace('sha256', 'sha1'), githubSignature.slice('sha256='.length)]) t.equal(genuine({ 'x-hub-signature-256': wrong }), false, wrong);
  t.equal(genuine({ 'x-hub-signature-256': 'wrong', 'x-gitlab-token': secret }), false, 'a wrong one is not made good by another header');
});

t.test('GitLab’s signing token, by Standard Webhooks', async (t) => {
  const time = now / 1_000;
  const headers = (signature: string, at: number | string = time, id = 'msg_1') => ({ 'webhook-id': id, 'webhook-timestamp': String(at), 'webhook-signature': signature });
  t.equal(genuine(headers(signed(time)), payload, whsec), true);
  t.equal(genuine(headers(signed(time, payload, 'msg_1', secret))), true, 'a secret that is no whsec_ one is taken as it is');
  t.equal(genuine(headers(`v1,bm90IHRoaXMgb25l ${signed(time)}`), payload, whsec), true, 'one of several');
  t.equal(genuine(headers(`${'v1,bm90IHRoaXMgb25l '.repeat(10)}${signed(time)}`), payload, whsec), false, 'of not too many');
  t.equal(genuine(headers(signed(time)), 'Hello, World?', whsec), false, 'another body');
  t.equal(genuine(headers(signed(time), time, 'msg_2'), payload, whsec), false, 'another id');
  t.equal(genuine(headers(signed(time), time - 1), payload, whsec), false, 'another time');
  t.equal(genuine(headers(signed(time).replace('v1,', 'v2,')), payload, whsec), false, 'another version');
  for (const [away, wanted] of [[-300, true], [300, true], [-301, false], [301, false]] as const) t.equal(genuine(headers(signed(time + away), time + away), payload, whsec), wanted, `${away} s from now`);
  for (const odd of ['', 'soon', '1e9', '-1', ' 1705492800', '9'.repeat(13)]) t.equal(genuine(headers(signed(odd), odd), payload, whsec), false, `a time of "${odd}"`);
  t.equal(genuine(headers(signed(time, payload, ''), time, ''), payload, whsec), false, 'no id');
  t.equal(genuine(headers(signed(time, payload, 'msg_1', '')), payload, 'whsec_!!!!!!!!!!!!!!!!'), false, 'a secret that is no base64 does not stand for an empty key');
  t.equal(genuine(headers(signed(time, payload, 'msg_1', key.subarray(0, 15))), payload, `whsec_${key.subarray(0, 15).toString('base64')}`), false, 'nor one for a key that can be guessed');
});

t.test('GitLab’s secret token', async (t) => {
  t.equal(genuine({ 'x-gitlab-token': secret }), true);
  t.equal(genuine({ 'x-gitlab-token': `${secret} ` }), false);
  t.equal(genuine({ 'x-gitlab-token': '' }), false);
});

t.test('which events announce a push', async (t) => {
  for (const event of ['push', 'create']) t.equal(announcesPush({ 'x-github-event': event }), true, event);
  for (const event of ['Push Hook', 'Tag Push Hook']) t.equal(announcesPush({ 'x-gitlab-event': event }), true, event);
  for (const headers of [{ 'x-github-event': 'ping' }, { 'x-github-event': 'issues' }, { 'x-gitlab-event': 'Issue Hook' }, {}]) t.equal(announcesPush(headers), false, JSON.stringify(headers));
});

/** The webhook on a real port, with a guardian that writes down what it is asked and may refuse. */
async function serve(t: Test, { by = secret, refuse }: { by?: string; refuse?: Error } = {}) {
  const calls: unknown[] = [];
  const log: string[] = [];
  const shown: string[] = [];
  const logger = createLogger('test', (line) => log.push(line));
  const guardian = {
    async call({ name }: { name: string }, request: unknown) {
      calls.push([name, request]);
      if (refuse !== undefined) throw refuse;
      return { response: {}, sequence: 0 };
    },
  } as unknown as GuardianClient;
  const { server, url } = await startPort({ raw: [createWebhook({ guardian, secret: by, logger })], logger });
  t.teardown(() => server.stop());
  async function send(headers: Record<string, string>, { body = payload as string | Uint8Array, method = 'POST', project = 'p' } = {}) {
    const response = await fetch(`${url}/v1/webhooks/${project}`, { method, headers, ...(method === 'GET' ? {} : { body }) });
    const text = await response.text();
    shown.push(text, JSON.stringify([...response.headers]));
    return { status: response.status, headers: response.headers, detail: (JSON.parse(text) as { detail: string }).detail };
  }
  /** What an outsider and a reader of the log have seen. */
  const seen = (): string => [...shown, ...log].join('\n');
  return { calls, log, send, seen };
}
const push = { 'x-hub-signature-256': githubSignature, 'x-github-event': 'push' };

t.test('a push is handed on, once', async (t) => {
  const { calls, send } = await serve(t);
  t.match(await send(push), { status: 202, detail: 'Project p is being looked at' });
  t.strictSame(calls, [['NoticePush', { projectName: 'p' }]], 'and nothing of what the message says');
  t.match(await send({ 'x-gitlab-token': secret, 'x-gitlab-event': 'Push Hook' }, { project: 'my%2Dproject' }), { status: 202 });
  t.strictSame(calls.at(-1), ['NoticePush', { projectName: 'my-project' }]);
});

t.test('a ping is answered, and nobody is called', async (t) => {
  const { calls, send } = await serve(t);
  t.match(await send({ ...push, 'x-github-event': 'ping' }), { status: 200 });
  t.strictSame(calls, []);
});

t.test('whoever does not know the secret gets nothing done', async (t) => {
  const { calls, send, seen } = await serve(t);
  t.match(await send({ 'x-github-event': 'push' }), { status: 401, detail: /FORGE_WEBHOOK_SECRET/ }, 'no signature');
  t.match(await send({ ...push, 'x-hub-signature-256': githubSignature.replace('7', '8') }), { status: 401 }, 'a wrong one');
  t.match(await send(push, { body: 'Hello, World?' }), { status: 401 }, 'another body');
  t.match(await send({ 'x-gitlab-token': 'guess', 'x-gitlab-event': 'Push Hook' }), { status: 401 });
  t.match(await send({ ...push, 'x-github-event': 'ping', 'x-hub-signature-256': 'no' }), { status: 401 }, 'not even a ping is answered');
  t.strictSame(calls, []);
  t.notMatch(seen(), new RegExp(`${secret}|757107ea`));
});

t.test('without a secret webhooks are off', async (t) => {
  const { calls, send } = await serve(t, { by: '' });
  t.match(await send({ ...push, 'x-hub-signature-256': `sha256=${createHmac('sha256', '').update(payload).digest('hex')}` }), { status: 403, detail: /FORGE_WEBHOOK_SECRET/ });
  t.match(await send({ 'x-gitlab-token': '', 'x-gitlab-event': 'Push Hook' }), { status: 403 });
  t.strictSame(calls, []);
});

t.test('what is no webhook is refused', async (t) => {
  const { calls, send } = await serve(t);
  const get = await send(push, { method: 'GET' });
  t.equal(get.status, 405);
  t.equal(get.headers.get('allow'), 'POST');
  t.match(await send(push, { body: new Uint8Array(bodyLimitBytes + 1) }), { status: 413, detail: /^body: / });
  t.match(await send(push, { project: '%ff' }), { status: 400 });
  t.strictSame(calls, []);
});

t.test('what the guardian says is passed on, and a fault of ours shows nothing of the inside', async (t) => {
  const unknown = await serve(t, { refuse: new ForgeError('not_found', 'name: there is no project "p"', { field: 'name' }) });
  t.match(await unknown.send(push), { status: 404, detail: 'name: there is no project "p"' });
  const unwatched = await serve(t, { refuse: new ForgeError('wrong_state', 'name: project p is not watched') });
  t.match(await unwatched.send(push), { status: 400, detail: /not watched/ });
  t.strictSame([...unknown.log, ...unwatched.log], []);
  const away = await serve(t, { refuse: new ForgeError('unavailable', 'the guardian does not answer', { retryAfterSeconds: 2 }) });
  const answer = await away.send(push);
  t.match([answer.status, answer.headers.get('retry-after')], [503, '2']);
  const broken = await serve(t, { refuse: new TypeError('something inside') });
  t.match(await broken.send(push), { status: 500, detail: /^Internal error; the log has more under request / });
  t.match(broken.log.join(), /a webhook failed.*something inside/s);
  t.notMatch([unknown, unwatched, away, broken].map(({ seen }) => seen()).join(), new RegExp(`${secret}|757107ea`));
});
