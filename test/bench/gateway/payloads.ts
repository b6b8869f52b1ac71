/** A stream as the fake upstream is asked for it. */
export interface Stream {
  events: number;
  /** Between two writes; 0: as fast as the reader takes them. */
  pauseMs: number;
  /** Events of one write. */
  batch: number;
}

const created = 1_700_000_000;
const chunkOf = (text: string): Buffer => Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);

/** What a model of ordinary talkativeness answers: about 700 bytes. */
const completion = JSON.stringify({
  id: 'chatcmpl-123456789', object: 'chat.completion', created, model: 'bench', system_fingerprint: 'fp_fake',
  choices: [{ index: 0, message: { role: 'assistant', content: 'A reference answer of some length. '.repeat(12) }, logprobs: null, finish_reason: 'stop' }],
  usage: { prompt_tokens: 20, completion_tokens: 96, total_tokens: 116 },
});
export const chatAnswer = Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(completion)}\r\n\r\n${completion}`);

/** The members of every endpoint's answer at once, for whoever asks for anything. */
const anything = JSON.stringify({
  ...JSON.parse(completion),
  choices: [{ index: 0, message: { role: 'assistant', content: 'A' }, text: 'A', logprobs: null, finish_reason: 'stop' }],
  data: [{ object: 'embedding', index: 0, embedding: [0.6, 0.8] }],
});
export const anyAnswer = Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(anything)}\r\n\r\n${anything}`);

const models = JSON.stringify({ object: 'list', data: [{ id: 'bench', object: 'model', created, owned_by: 'bench' }] });
export const modelsAnswer = Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(models)}\r\n\r\n${models}`);

const delta = JSON.stringify({ id: 'chatcmpl-123456789', object: 'chat.completion.chunk', created, model: 'bench', system_fingerprint: 'fp_fake', choices: [{ index: 0, delta: { content: ' token' }, logprobs: null, finish_reason: null }] });
export const events = {
  head: Buffer.from('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n'),
  /** One event in an HTTP chunk of its own, as model servers write them. */
  event: chunkOf(`data: ${delta}\n\n`),
  end: Buffer.concat([chunkOf('data: [DONE]\n\n'), Buffer.from('0\r\n\r\n')]),
};

/** A chat request of about 500 bytes as a whole HTTP request. */
export function chatRequest(stream?: Stream): Buffer {
  const body = JSON.stringify({
    model: 'bench',
    messages: [
      { role: 'system', content: 'You are a careful assistant for a code repository. '.repeat(6) },
      { role: 'user', content: stream === undefined ? 'What does this function do?' : `stream-${stream.events}-${stream.pauseMs}-${stream.batch}` },
    ],
    temperature: 0.7,
    ...(stream !== undefined && { stream: true }),
  });
  return Buffer.from(`POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\nauthorization: Bearer none\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

export function getRequest(path: string): Buffer {
  return Buffer.from(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/json\r\n\r\n`);
}
