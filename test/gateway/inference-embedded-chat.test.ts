import t from 'tap';
import { toGrammarSchema } from '../../gateway/inference/embedded/json-schema.ts';
import { engineUnsupported, refuseUnsupported } from '../../gateway/inference/embedded/unsupported.ts';
import { startTestEngine } from '../support/embedded-engine.ts';
import { tokenIds } from '../support/tiny-model.ts';

t.setTimeout(180_000);

t.test('chat', async (t) => {
  const { add, ask, stream } = startTestEngine(t, ['--context', '512', '--slots', '2']);
  const model = 'shop:job_1';
  await add(model);
  const base = { model, messages: [{ role: 'user', content: 'Hi' }], max_tokens: 12, temperature: 0 };
  const chat = (body: object = {}) => ask('chat/completions', { ...base, ...body });
  const textOf = (answer: any): string => answer.choices[0].message.content;
  const greedy = textOf(await chat());

  await t.test('n answers', async (t) => {
    const sampled = { n: 3, temperature: 1, seed: 9 };
    const answer = await chat(sampled);
    const texts = answer.choices.map((choice: any) => choice.message.content);
    t.equal(new Set(texts).size, 3);
    t.equal(answer.usage.completion_tokens, 36);
    const { events } = await stream('chat/completions', { ...base, ...sampled });
    const streamed = [0, 1, 2].map((index) => events.flatMap((event) => event.choices).filter((choice) => choice.index === index).map((choice) => choice.delta.content ?? '').join(''));
    t.same(streamed, texts);
  });

  await t.test('logprobs', async (t) => {
    const answer = await chat({ logprobs: true, top_logprobs: 2 });
    t.equal(textOf(answer), greedy);
    const { content } = answer.choices[0].logprobs;
    t.same(content.map((one: any) => one.token), [...greedy]);
    for (const one of content) {
      t.same(one.top_logprobs[0], { token: one.token, logprob: one.logprob, bytes: [...Buffer.from(one.token)] });
      t.ok(one.top_logprobs.length === 2 && one.top_logprobs[1].logprob <= one.logprob && one.logprob < 0);
    }
    t.same((await chat({ logprobs: true })).choices[0].logprobs.content.map((one: any) => one.top_logprobs), content.map(() => []));
    const { events } = await stream('chat/completions', { ...base, logprobs: true, top_logprobs: 2 });
    t.same(events.flatMap((event) => event.choices[0].logprobs?.content ?? []), content);
    const sampled = { logprobs: true, temperature: 1.5, top_p: 0.9, seed: 4 };
    t.same((await chat(sampled)).choices, (await chat(sampled)).choices, 'a seed counts here too');
    t.not(textOf(await chat(sampled)), textOf(await chat({ ...sampled, seed: 5 })));
    t.equal(textOf(await chat({ ...sampled, top_p: 0 })), greedy, 'top_p 0 leaves the likeliest alone');
    t.match(await chat({ top_logprobs: 2 }), { status: 400, error: { param: 'top_logprobs' } });
    t.match(await chat({ logprobs: true, top_logprobs: 21 }), { status: 400, error: { param: 'top_logprobs' } });
    t.match(await chat({ logprobs: true, response_format: { type: 'json_object' } }), { status: 400, error: { param: 'logprobs' } });
  });

  await t.test('penalties and bias, with and without logprobs', async (t) => {
    for (const logprobs of [false, true]) {
      const repeated = textOf(await chat({ logprobs, frequency_penalty: -2 }));
      t.equal(repeated, greedy[0]!.repeat(12), 'a negative penalty rewards what was said');
      t.equal(textOf(await chat({ logprobs, presence_penalty: -2 })).length, 12);
      t.ok(new Set(textOf(await chat({ logprobs, frequency_penalty: 2 }))).size > new Set(greedy).size - 2);
      const [wanted] = tokenIds('~');
      t.equal(textOf(await chat({ logprobs, logit_bias: { [wanted!]: 100 } })), '~'.repeat(12));
      const [first] = tokenIds(greedy[0]!);
      t.notOk(textOf(await chat({ logprobs, logit_bias: { [first!]: -100 } })).includes(greedy[0]!));
    }
    for (const bias of [{ x: 1 }, { 1e6: 1 }, { 300: 101 }, [], { 4: -100 }]) t.match(await chat({ logit_bias: bias }), { status: 400, error: { param: 'logit_bias' } }, JSON.stringify(bias));
    t.match(await chat({ frequency_penalty: 3 }), { status: 400, error: { param: 'frequency_penalty' } });
  });

  await t.test('JSON', async (t) => {
    const json = (format: object, body: object = {}) => chat({ response_format: format, temperature: 1, max_tokens: 300, ...body });
    const schemaFormat = (schema: object) => ({ type: 'json_schema', json_schema: { name: 'x', strict: true, schema } });
    const schema = {
      type: 'object',
      description: 'what it is',
      properties: { ok: { type: 'boolean' }, kind: { enum: ['a', 'b', 3] }, tags: { type: 'array', items: { $ref: '#/$defs/tag' }, minItems: 1, maxItems: 2 }, more: { anyOf: [{ type: 'null' }, { const: 'yes' }] }, maybe: { type: ['boolean', 'null'] } },
      required: ['ok', 'kind', 'tags', 'more'],
      additionalProperties: false,
      $defs: { tag: { type: 'string', maxLength: 3 } },
    };
    for (const seed of [1, 2, 3]) {
      const answer = await json(schemaFormat(schema), { seed });
      const value = JSON.parse(textOf(answer));
      t.same(Object.keys(value), ['ok', 'kind', 'tags', 'more', 'maybe']);
      t.type(value.ok, 'boolean');
      t.ok(['a', 'b', 3].includes(value.kind));
      t.ok(value.tags.length >= 1 && value.tags.length <= 2 && value.tags.every((tag: string) => tag.length <= 3));
      t.ok(value.more === null || value.more === 'yes');
      t.equal(answer.choices[0].finish_reason, 'stop');
      t.equal(textOf(answer), textOf(answer).trimEnd());
    }
    const free = await json({ type: 'json_object' }, { max_tokens: 20, temperature: 0 });
    t.match(textOf(free), /^\{/);
    t.equal(textOf(await json({ type: 'text' }, { max_tokens: 12, temperature: 0 })), greedy);
    t.match(await json(schemaFormat({ type: 'string', pattern: 'x' })), { status: 400, error: { param: 'response_format', message: /json_schema\.schema has "pattern", which the embedded engine can't make sure of/ } });
    for (const format of [{ type: 'xml' }, { type: 'json_schema' }, { type: 'json_schema', json_schema: { schema: 7 } }, 'json', schemaFormat({ $defs: { a: { $ref: '#/$defs/a' } }, $ref: '#/$defs/a' })]) t.match(await json(format as object), { status: 400, error: { param: 'response_format' } }, JSON.stringify(format));
    t.equal((await chat()).status, 200, 'the engine has survived');
  });

  await t.test('what a tool said is refused with the place where it stands', async (t) => {
    t.match(await chat({ messages: [{ role: 'assistant', tool_calls: [{ id: 'a', type: 'function', function: { name: 'x', arguments: '{}' } }] }] }), { status: 400, error: { param: 'messages[0].tool_calls' } });
    t.match(await chat({ messages: [...base.messages, { role: 'tool', content: 'x', tool_call_id: 'a' }] }), { status: 400, error: { param: 'messages[1].role' } });
    t.equal(textOf(await chat({ tools: [], tool_choice: 'auto', store: false, service_tier: 'auto', user: 'me', tomorrow: 1 })), greedy, 'what asks for nothing passes, and what nobody knows');
    t.equal(textOf(await chat({ max_tokens: undefined, max_completion_tokens: 3 })), greedy.slice(0, 3));
  });
});

t.test('each row of the table of what is not done is refused by name', async (t) => {
  // A value of each parameter's kind that asks for something.
  const asks: Record<string, unknown> = { tools: [{ type: 'function', function: { name: 'x' } }], tool_choice: 'required', functions: [{ name: 'x' }], function_call: { name: 'x' }, modalities: ['text', 'audio'], audio: { voice: 'x' }, prediction: { type: 'content', content: 'x' }, reasoning_effort: 'high', verbosity: 'low', web_search_options: {}, store: true, service_tier: 'flex', best_of: 2 };
  for (const { endpoint, parameter, remedy } of engineUnsupported) {
    t.ok(parameter in asks, parameter);
    t.throws(() => refuseUnsupported(endpoint, { [parameter]: asks[parameter] }), { code: 'invalid_argument', field: parameter, message: new RegExp(`^${parameter}: .*; ${remedy}$`) });
    t.doesNotThrow(() => refuseUnsupported(endpoint, { [parameter]: null }));
  }
});

t.test('a JSON schema means the same to the grammar, or is refused', async (t) => {
  const convert = (schema: unknown) => toGrammarSchema(schema, 's');
  t.same(convert({ type: 'object' }), { type: 'object', additionalProperties: true });
  t.same(convert({ type: 'object', additionalProperties: false }), { type: 'object' });
  t.same(convert({ type: ['object', 'string'], properties: { a: { type: 'null' } }, maxLength: 3 }), { oneOf: [{ type: 'object', properties: { a: { type: 'null' } } }, { type: 'string', maxLength: 3 }] });
  t.same(convert({ type: 'object', properties: { a: { $ref: '#/$defs/b' } }, $defs: { b: { enum: [1] } } }), { type: 'object', properties: { a: { $ref: '#/$defs/b' } }, $defs: { b: { enum: [1] } } });
  const refused: [unknown, RegExp][] = [
    [{}, /^response_format: s must have a type/],
    [{ type: 'thing' }, /must have a type/],
    [{ type: 'array', items: [] }, /s\.items must be a JSON schema object/],
    [{ type: 'integer', minimum: 1 }, /"minimum"/],
    [{ oneOf: [{ type: 'null' }] }, /has "oneOf"/],
    [{ allOf: [] }, /has "allOf"/],
    [{ type: 'object', properties: { a: { type: 'string', format: 'email' } } }, /s\.properties\.a has a format/],
    [{ type: 'object', patternProperties: {} }, /"patternProperties"/],
    [{ type: 'object', properties: { a: { type: 'object', $defs: {} } } }, /"\$defs"/],
    [{ type: 'object', required: ['a'] }, /requires "a"/],
    [{ type: 'string', maxLength: 1e9 }, /from 0 to 1000 in maxLength/],
    [{ enum: [{ a: 1 }] }, /an object or a list/],
    [{ enum: [] }, /a list in enum/],
    [{ $ref: '#/definitions/a' }, /outermost \$defs/],
    [{ $ref: '#/$defs/a', $defs: { b: { type: 'null' } } }, /outermost \$defs/],
    [true, /must be a JSON schema object/],
    [Array.from({ length: 70 }).reduce((inner) => ({ type: 'array', items: inner }), { type: 'null' }), /nested too deeply/],
  ];
  for (const [schema, message] of refused) t.throws(() => convert(schema), { code: 'invalid_argument', message }, JSON.stringify(schema)?.slice(0, 80));
});
