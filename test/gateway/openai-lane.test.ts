import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { createUpstreamBackend } from '../../gateway/inference/upstream.ts';
import { bodyLimitBytes } from '../../gateway/openai/request-body.ts';
import { fixedDirectory, startLane } from '../support/chat-lane.ts';
import { openAiModel, resolveModel } from '../../gateway/openai/models.ts';

t.setTimeout(240_000);

const messages = [{ role: 'user', content: 'Hi' }];

/** A server that shows what reaches it: what an upstream answers is the test's. */
async function startUpstream(t: Test, listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return createUpstreamBackend(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

t.test('bad requests are refused with a clear text, in OpenAI’s form', async (t) => {
  let asked = 0;
  const lane = await startLane(t, await startUpstream(t, (_request, response) => (asked++, response.end('{}'))), { 'shop:latest': 'shop:job_1' });
  const good = { model: 'shop:latest', messages };
  const cases: [unknown, number, string | null, RegExp][] = [
    ['{"model":', 400, 'body', /body: must be a JSON object/],
    ['[1]', 400, 'body', /must be a JSON object/],
    [{ ...good, model: 7 }, 400, 'model', /model: must be a non-empty string/],
    [{ ...good, model: null }, 400, 'model', /model: must be/],
    [{ model: 'shop:latest' }, 400, 'messages', /messages: is required/],
    [{ ...good, messages: [] }, 400, 'messages', /messages: must not be empty/],
    [{ ...good, messages: 'Hi' }, 400, 'messages', /messages: must be a list/],
    [{ ...good, messages: [{ role: 'king', content: '' }] }, 400, 'messages[0].role', /messages\[0\].role: must be one of system/],
    [{ ...good, messages: [{ role: 'user', content: 5 }] }, 400, 'messages[0].content', /must be a string or a list of parts/],
    [{ ...good, temperature: '0.5' }, 400, 'temperature', /temperature: must be a number from 0 to 2/],
    [{ ...good, temperature: 3 }, 400, 'temperature', /from 0 to 2/],
    [{ ...good, max_tokens: 0 }, 400, 'max_tokens', /max_tokens: must be a whole number of at least 1/],
    [{ ...good, max_tokens: 1.5 }, 400, 'max_tokens', /whole number/],
    [{ ...good, stream: 'yes' }, 400, 'stream', /stream: must be true or false/],
    [{ ...good, stop: [1] }, 400, 'stop', /stop: must be/],
    [{ ...good, model: 'other' }, 404, 'model', /model: "other" not found; there is shop:latest/],
    [{ ...good, padding: 'x'.repeat(bodyLimitBytes) }, 413, 'body', /body: must be at most 16777216 bytes/],
  ];
  for (const [body, status, param, message] of cases) {
    const response = await lane.post(body);
    const answer = (await response.json()) as any;
    t.equal(response.status, status, String(message));
    t.match(answer, { error: { message, type: 'invalid_request_error', param, code: String }, detail: message });
    t.equal(answer.error.message, answer.detail);
  }
  t.equal(asked, 0, 'nothing reached the backend');
  const wrong = await fetch(`${lane.base}/chat/completions`);
  t.equal(wrong.status, 405);
  t.equal(wrong.headers.get('allow'), 'POST');
});

t.test('bytes pass through: unknown fields reach the backend and come back', async (t) => {
  let got = '';
  const lane = await startLane(t, await startUpstream(t, async (request, response) => {
    for await (const chunk of request) got += chunk;
    response.setHeader('content-type', 'application/json').end('{"model":"shop:job_1",  "x_extra":{"model":"shop:job_1"}, "big":12345678901234567890}');
  }), { 'shop:latest': 'shop:job_1' });
  const body = '{"x_new": [1.0, 2e3],  "model":"shop:latest","messages":[{"role":"user","content":"caf\\u00e9","name":"model"}]}';
  const response = await lane.post(body);
  t.equal(got, body.replace('"model":"shop:latest"', '"model":"shop:job_1"'));
  t.equal(await response.text(), '{"model":"shop:latest",  "x_extra":{"model":"shop:job_1"}, "big":12345678901234567890}');
});

t.test('bad requests of the other endpoints are refused with a clear text', async (t) => {
  let asked = 0;
  const lane = await startLane(t, await startUpstream(t, (_request, response) => (asked++, response.end('{}'))), { 'shop:latest': 'shop:job_1' });
  const cases: [string, object, string, RegExp][] = [
    ['completions', {}, 'prompt', /prompt: is required/],
    ['completions', { prompt: [] }, 'prompt', /must be a text, a list of texts/],
    ['completions', { prompt: ['a', 1] }, 'prompt', /must be a text/],
    ['completions', { prompt: 'a', suffix: 1 }, 'suffix', /must be a string/],
    ['completions', { prompt: 'a', max_tokens: -1 }, 'max_tokens', /at least 0/],
    ['completions', { prompt: 'a', temperature: 3 }, 'temperature', /from 0 to 2/],
    ['embeddings', {}, 'input', /input: is required/],
    ['embeddings', { input: ['a', ''] }, 'input', /must not be empty/],
    ['embeddings', { input: [1.5] }, 'input', /must be a text/],
    ['embeddings', { input: ['a', [1]] }, 'input', /must be a text/],
    ['embeddings', { input: Array.from({ length: 2049 }, () => 'a') }, 'input', /at most 2048/],
    ['embeddings', { input: 'a', dimensions: 0 }, 'dimensions', /at least 1/],
    ['embeddings', { input: 'a', encoding_format: 'hex' }, 'encoding_format', /"float" or "base64"/],
    ['embeddings', { input: 'a', stream: true }, 'stream', /come whole/],
    ['responses', { input: 7 }, 'input', /a text or a list of items/],
    ['responses', { input: 'a', max_output_tokens: 0 }, 'max_output_tokens', /at least 1/],
    ['responses', { input: 'a', instructions: [] }, 'instructions', /must be a string/],
  ];
  for (const [endpoint, body, param, message] of cases) {
    const response = await fetch(`${lane.base}/${endpoint}`, { method: 'POST', body: JSON.stringify({ model: 'shop:latest', ...body }) });
    t.equal(response.status, 400, `${endpoint}: ${message}`);
    t.match(await response.json(), { error: { message, type: 'invalid_request_error', param, code: 'invalid_argument' }, detail: message });
  }
  t.equal(asked, 0, 'nothing reached the backend');
  const refused = await fetch(`${lane.base}/embeddings`);
  t.equal(refused.status, 405);
});

t.test('every endpoint passes bytes both ways: tools, images, reasoning, and what is new tomorrow', async (t) => {
  const requests: Readonly<Record<string, string>> = {
    'chat/completions': '{"model":"shop:latest","messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"1"}],"tools":[{"type":"function","function":{"name":"f","strict":true}}],"tool_choice":"required","n":2,"logit_bias":{"7":-100},"logprobs":true,"reasoning_effort":"xhigh","x_new":1.0,"stream":STREAM}',
    completions: '{"prompt":["a","b"],"suffix":"z","best_of":3,"echo":true,"model":"shop:latest","x_new":[1e3],"stream":STREAM}',
    responses: '{"input":[{"role":"user","content":"a"}],"previous_response_id":"r","tools":[{"type":"web_search"}],"model":"shop:latest","reasoning":{"effort":"high"},"stream":STREAM}',
    embeddings: '{"input":[[1,2],[3]],"encoding_format":"base64","dimensions":4,"model":"shop:latest","x_new":null}',
  };
  const events: Readonly<Record<string, string>> = {
    'chat/completions': ': ping\n\ndata: {"id":"1","choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\"model\\":"}}],"reasoning_content":"é"}}],"model":"NAME","x":1.50}\n\ndata: [DONE]\n\n',
    completions: 'data: {"model":"NAME","choices":[{"text":"\\"model\\":\\"NAM\\"","logprobs":{}}]}\r\n\r\ndata: [DONE]\r\n\r\n',
    responses: 'event: response.created\ndata: {"type":"response.created","response":{"id":"r","model":"NAME","output":[]}}\n\nevent: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"\\"model\\""}\n\nevent: response.completed\ndata: {"response":{"output":[{"model":"kept"}],"model":"NAME"},"type":"response.completed"}\n\n',
  };
  const whole = '{"object":"x",  "data":[{"embedding":"AAAAAA==","model":"kept"}],"model":"NAME","usage":{"total_tokens":12345678901234567890}}';
  let got = '';
  let said = '';
  const lane = await startLane(t, await startUpstream(t, async (request, response) => {
    got = Buffer.concat(await Array.fromAsync(request)).toString();
    response.writeHead(200, { 'content-type': got.includes('"stream":true') ? 'text/event-stream' : 'application/json' }).end(said.replaceAll('NAME', 'shop:job_1'));
  }), { 'shop:latest': 'shop:job_1' });
  for (const [endpoint, template] of Object.entries(requests)) {
    for (const stream of template.includes('STREAM') ? [true, false] : [false]) {
      const request = template.replace('STREAM', String(stream));
      said = stream ? events[endpoint]! : whole;
      const response = await fetch(`${lane.base}/${endpoint}`, { method: 'POST', body: request });
      t.equal(await response.text(), said.replaceAll('NAME', 'shop:latest'), `${endpoint}, ${stream ? 'streamed' : 'whole'}`);
      t.equal(got, request.replace('"model":"shop:latest"', '"model":"shop:job_1"'), 'what the upstream got');
    }
  }
});

t.test('a stream of responses that breaks off ends in an error event of its kind', async (t) => {
  const lane = await startLane(t, await startUpstream(t, (_request, response) => response.writeHead(200, { 'content-type': 'text/event-stream' }).end('event: response.created\ndata: {"response":{"model":"shop:job_1"}}\n\nevent: response.output_text.delta\ndata: {"del')), { 'shop:latest': 'shop:job_1' });
  const text = await (await fetch(`${lane.base}/responses`, { method: 'POST', body: '{"model":"shop:latest","input":"a","stream":true}' })).text();
  const [created, broken, last] = text.trim().split('\n\n');
  t.equal(created, 'event: response.created\ndata: {"response":{"model":"shop:latest"}}');
  t.equal(broken, 'event: response.output_text.delta\ndata: {"del');
  const [event, data] = last!.split('\n');
  t.equal(event, 'event: error');
  t.match(JSON.parse(data!.slice('data: '.length)), { type: 'error', code: 'unavailable', message: /stopped in the middle/, param: null, error: { type: 'server_error' }, detail: String });
});

t.test('what the backend has not is said once, and not asked for again', async (t) => {
  let asked = 0;
  const lane = await startLane(t, await startUpstream(t, (_request, response) => (asked++, response.writeHead(404).end('404 page not found'))), { 'shop:latest': 'shop:job_1' });
  const response = await fetch(`${lane.base}/responses`, { method: 'POST', body: '{"model":"shop:latest","input":"a"}' });
  t.equal(response.status, 501);
  t.equal(response.headers.get('x-should-retry'), 'false');
  t.match(await response.json(), { error: { code: 'unimplemented', message: /has no POST \/v1\/responses; Ollama from 0.13.3/ } });
  t.equal(asked, 1);
});

t.test('no model named: the active one answers', async (t) => {
  const lane = await startLane(t, await startUpstream(t, async (request, response) => {
    const chunks = await Array.fromAsync(request);
    response.end(JSON.stringify({ model: JSON.parse(Buffer.concat(chunks).toString()).model }));
  }), { 'shop:latest': 'shop:job_1' });
  t.same(await (await lane.post({ messages })).json(), { model: 'shop:latest' });
  await t.rejects(resolveModel(fixedDirectory({}), undefined), { code: 'not_found', message: /no model is deployed yet/ });
});

t.test('an error of the backend keeps its status and has a detail', async (t) => {
  const lane = await startLane(t, await startUpstream(t, (_request, response) => response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":{"message":"shop:job_1 does not support tools","type":"api_error","code":7}}')), { 'shop:latest': 'shop:job_1' });
  const response = await lane.post({ model: 'shop:latest', messages });
  t.equal(response.status, 400);
  t.same(await response.json(), { error: { message: 'shop:latest does not support tools', type: 'api_error', param: null, code: 7 }, detail: 'shop:latest does not support tools' });
});

t.test('a backend that dies before or within a small answer is a 503; in the midst of a long JSON answer the connection is cut', async (t) => {
  let die: 'at once' | 'small' | 'long' = 'at once';
  const lane = await startLane(t, await startUpstream(t, (_request, response) => {
    if (die === 'at once') return void response.destroy();
    response.writeHead(200, { 'content-type': 'application/json', ...(die === 'small' && { 'content-length': 1000 }) }).write('{"model":"shop:job_1",');
    setImmediate(() => response.destroy());
  }), { 'shop:latest': 'shop:job_1' });
  const first = await lane.post({ model: 'shop:latest', messages });
  t.equal(first.status, 503);
  t.match(await first.json(), { detail: /does not answer/ });
  die = 'small';
  const second = await lane.post({ model: 'shop:latest', messages });
  t.equal(second.status, 503);
  t.match(await second.json(), { detail: /in the middle of its answer/ });
  die = 'long';
  await t.rejects(lane.post({ model: 'shop:latest', messages }).then((response) => response.text()));
});

t.test('a stream without its [DONE] ends in an error event', async (t) => {
  const lane = await startLane(t, await startUpstream(t, (_request, response) => response.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: {"model":"shop:job_1","choices":[]}\n\n')), { 'shop:latest': 'shop:job_1' });
  const body = await (await lane.post({ model: 'shop:latest', messages, stream: true })).text();
  t.match(body, /^data: \{"model":"shop:latest","choices":\[\]\}\n\n/);
  t.match(body, /\n\ndata: \{"error":\{"message":"[^"]+","type":"server_error"/);
});

t.test('a slow client holds the backend back', { timeout: 120_000 }, async (t) => {
  const mostBytes = 128 * 1024 * 1024;
  let sent = 0;
  /** Called when the loop waits for its buffer, with what ends that wait. */
  let onWait = (_drained: Promise<unknown>) => {};
  const lane = await startLane(t, await startUpstream(t, async (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const event = `data: ${JSON.stringify({ model: 'shop:job_1', pad: 'x'.repeat(65_000) })}\n\n`;
    // Only a reader that is held back ever lets the buffers fill and this loop wait.
    while (!response.destroyed && sent < mostBytes) {
      sent += event.length;
      if (response.write(event)) await new Promise(setImmediate);
      else {
        const drained = Promise.race([once(response, 'drain'), once(response, 'close')]).catch(() => undefined);
        onWait(drained);
        await drained;
      }
    }
    // Nobody held it back, and it stands still for that reason only.
    if (sent >= mostBytes) onWait(new Promise(() => undefined));
  }), { 'shop:latest': 'shop:job_1' });
  // It stands still: a wait that has not ended after a while, in which everything else had its turn again and again.
  const standsStill = new Promise<number>((resolve) => {
    onWait = (drained) => {
      let over = false;
      void drained.then(() => (over = true));
      void rounds(200).then(() => { if (!over) resolve(sent); });
    };
  });
  const gone = new AbortController();
  const response = await lane.post({ model: 'shop:latest', messages, stream: true }, gone.signal);
  const before = await standsStill;
  await rounds(200);
  t.equal(sent, before, 'nothing more is sent to who does not read');
  t.ok(sent < mostBytes / 2, `${sent} bytes lie in buffers`);

  const reader = response.body!.getReader();
  let read = 0;
  while (read < 2 * before) read += (await reader.read()).value!.length;
  t.ok(sent > before, `reading on lets the backend go on: ${before} bytes, then ${sent}`);
  gone.abort();
  await t.rejects((async () => { while (!(await reader.read()).done); })());
});

/** Turns of the event loop, of 5 ms at least each. */
async function rounds(count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) await new Promise((resolve) => setTimeout(resolve, 5));
}

t.test('models in OpenAI’s form', async (t) => {
  const lane = await startLane(t, createUpstreamBackend('http://127.0.0.1:9'), { 'shop:latest': 'shop:job_1', 'shop:job_1': 'shop:job_1' });
  const model = { id: 'shop:latest', object: 'model', created: 1_700_000_000, owned_by: 'ai-forge' };
  t.same(await (await fetch(`${lane.base}/models`)).json(), { object: 'list', data: [model, { ...model, id: 'shop:job_1' }] });
  t.same(await (await fetch(`${lane.base}/models/shop%3Alatest`)).json(), model);
  const head = await fetch(`${lane.base}/models`, { method: 'HEAD' });
  t.same([head.status, await head.text()], [200, '']);
  const put = await fetch(`${lane.base}/models`, { method: 'PUT' });
  t.same([put.status, put.headers.get('allow')], [405, 'GET, HEAD']);
  const unknown = await fetch(`${lane.base}/models/%zz`);
  t.equal(unknown.status, 404);
  await t.rejects(openAiModel(fixedDirectory({}), 'x'), { code: 'not_found' });
});
