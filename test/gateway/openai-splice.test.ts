import fc from 'fast-check';
import t from 'tap';
import { createEventSplicer, createJsonSplicer, type AnswerSplicer } from '../../gateway/openai/splice-answer.ts';
import { spliceRequestModel } from '../../gateway/openai/splice-request.ts';

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
const spliced = (body: string, name: string) => text(spliceRequestModel(Buffer.from(body), name));

/** Feeds `input` cut at the given places. */
function feed(splicer: AnswerSplicer, input: string, cuts: readonly number[]): string {
  const bytes = Buffer.from(input);
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  const out = places.slice(1).map((end, index) => splicer.push(bytes.subarray(places[index], end)));
  return text(Buffer.concat([...out, splicer.end()]));
}

t.test('a request: only the value of the outermost model changes', async (t) => {
  t.equal(spliced('{ "x" : 1.50,\n"model" : "a:latest" , "messages":[{"model":"inner"}], "s":"\\"model\\":\\"no\\"" }', 'b:job_1'), '{ "x" : 1.50,\n"model" : "b:job_1" , "messages":[{"model":"inner"}], "s":"\\"model\\":\\"no\\"" }');
  t.equal(spliced('{"mod\\u0065l":"a","n":1}', 'b'), '{"mod\\u0065l":"b","n":1}', 'an escaped key');
  t.equal(spliced('{"model":"a","model":"c"}', 'b'), '{"model":"b","model":"b"}', 'repeated keys');
  t.equal(spliced('{"messages":[]}', 'b"\\é'), '{"model":"b\\"\\\\é","messages":[]}', 'added where it is missing');
  t.equal(spliced(' { } ', 'b'), ' {"model":"b" } ');
  t.equal(spliced('{"big":12345678901234567890,"model":"a"}', 'b'), '{"big":12345678901234567890,"model":"b"}', 'numbers keep their digits');
});

t.test('a request of any form is otherwise the same', async () => {
  fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), fc.string(), (others, asked, name) => {
    const request = { ...others, model: asked };
    const result = spliced(JSON.stringify(request), name);
    return result === JSON.stringify({ ...request, model: name });
  }), { numRuns: 300 });
});

t.test('an answer of any form, cut anywhere', async () => {
  fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), fc.string(), fc.array(fc.nat(), { maxLength: 12 }), fc.constantFrom(0, 2), (others, asked, name, cuts, indent) => {
    const answer = { ...others, model: asked, last: { model: asked } };
    return feed(createJsonSplicer(name), JSON.stringify(answer, null, indent), cuts) === JSON.stringify({ ...answer, model: name }, null, indent);
  }), { numRuns: 300 });
});

t.test('a stream of events, cut anywhere', async () => {
  fc.assert(fc.property(fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { maxLength: 5 }), fc.string(), fc.array(fc.nat(), { maxLength: 12 }), fc.constantFrom('\n', '\r\n'), fc.constantFrom('', ' '), (chunks, name, cuts, newline, space) => {
    const write = (model: string) => [': ping', ...chunks.map((chunk) => `data:${space}${JSON.stringify({ ...chunk, model })}`), 'event: "model":"x"', `data:${space}[DONE]`].join(newline + newline) + newline + newline;
    const splicer = createEventSplicer(name);
    return feed(splicer, write('backend:name'), cuts) === write(name) && splicer.done;
  }), { numRuns: 300 });
});

t.test('a stream of responses, cut anywhere: the model inside `response` too, and no other', async (t) => {
  const others = fc.dictionary(fc.string().filter((key) => key !== 'model' && key !== 'response'), fc.jsonValue());
  fc.assert(fc.property(fc.array(fc.record({ outer: others, inner: others, nested: fc.boolean() }), { maxLength: 4 }), fc.string(), fc.array(fc.nat(), { maxLength: 12 }), (events, name, cuts) => {
    const write = (model: string) =>
      [...events.map(({ outer, inner, nested }) => {
        const deeper = { item: { model: 'kept', response: { model: 'kept' } } };
        return `event: response.x\ndata: ${JSON.stringify({ ...outer, ...deeper, ...(nested ? { response: { ...inner, ...deeper, model, last: 1 } } : { model }) })}\n\n`;
      }), 'event: response.completed\ndata: {}\n\n'].join('');
    const splicer = createEventSplicer(name, 'responses');
    return feed(splicer, write('backend:name'), cuts) === write(name) && splicer.done;
  }), { numRuns: 300 });
  const chat = 'data: {"response":{"model":"a"},"model":"a"}\n\n';
  t.equal(feed(createEventSplicer('b'), chat, []), 'data: {"response":{"model":"a"},"model":"b"}\n\n', 'elsewhere it is a field like any other');
  t.equal(feed(createEventSplicer('b', 'responses'), 'data: {"response":[{"model":"a"}],"x":{"model":"a"},"response":"model","y":7}\n\n', []), 'data: {"response":[{"model":"a"}],"x":{"model":"a"},"response":"model","y":7}\n\n');
  for (const [last, done] of [['event: response.failed', true], ['event: response.incomplete', true], ['event: error', true], ['event: response.created', false], ['event: response.completed.soon', false]] as const) {
    const splicer = createEventSplicer('b', 'responses');
    splicer.push(Buffer.from(`${last}\ndata: {}\n\n`));
    t.equal(splicer.done, done, last);
  }
});

t.test('a model that is not a string, and keys without end, pass as they are', async (t) => {
  t.equal(feed(createJsonSplicer('b'), '{"model":null,"x":"y"}', []), '{"model":null,"x":"y"}');
  t.equal(feed(createJsonSplicer('b'), '{"model":{"model":"a"},"x":["model","a"]}', []), '{"model":{"model":"a"},"x":["model","a"]}');
  const long = JSON.stringify({ ['k'.repeat(5000)]: 'v', model: 'a' });
  t.equal(feed(createJsonSplicer('b'), long, [10, 2000]), long.replace('"a"', '"b"'));
  const splicer = createJsonSplicer('b');
  t.ok(splicer.push(Buffer.from(`{"${'k'.repeat(100_000)}`)).length > 90_000, 'what is held back is bounded');
});

t.test('a stream that was cut off has no [DONE], and nothing is kept', async (t) => {
  const splicer = createEventSplicer('b');
  t.equal(feed(splicer, 'data: {"id":1,"mod', []), 'data: {"id":1,"mod');
  t.equal(splicer.done, false);
});
