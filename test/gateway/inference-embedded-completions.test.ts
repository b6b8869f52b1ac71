import t from 'tap';
import { startTestEngine } from '../support/embedded-engine.ts';
import { middleMarkIds, tokenIds } from '../support/tiny-model.ts';

t.setTimeout(180_000);

t.test('completions', async (t) => {
  const { add, ask, stream } = startTestEngine(t, ['--context', '512', '--slots', '2']);
  const model = 'shop:job_1';
  await add(model);
  const base = { model, prompt: 'if (a', max_tokens: 6, temperature: 0 };
  const complete = (body: object = {}) => ask('completions', { ...base, ...body });
  const answer = await complete();
  const [{ text }] = answer.choices;

  await t.test('one prompt', async (t) => {
    t.match(answer, { status: 200, id: /^cmpl-/, object: 'text_completion', created: Number, model });
    t.same(answer.choices, [{ text, index: 0, logprobs: null, finish_reason: 'length' }]);
    t.equal(text.length, 6);
    t.same(answer.usage, { prompt_tokens: 5, completion_tokens: 6, total_tokens: 11 }, 'the prompt as it is, without a template');
    t.equal((await complete({ max_tokens: undefined })).usage.completion_tokens, 16, 'as many as OpenAI, where none is said');
  });

  await t.test('several prompts, texts and token ids', async (t) => {
    t.same((await complete({ prompt: tokenIds('if (a') })).choices, answer.choices);
    const two = await complete({ prompt: ['if (a', 'for'] });
    const other = await complete({ prompt: 'for' });
    t.same(two.choices, [answer.choices[0], { ...other.choices[0], index: 1 }]);
    t.equal(two.usage.prompt_tokens, 8);
    t.same((await complete({ prompt: [tokenIds('if (a'), tokenIds('for')] })).choices, two.choices);
    t.match(await complete({ prompt: [99_999] }), { status: 400, error: { param: 'prompt', message: /99999 is no token of this model, which has 356/ } });
    for (const prompt of [undefined, 7, [], [''], ['a', 1], [[]], [-1], { a: 1 }, '']) t.match(await complete({ prompt }), { status: 400, error: { param: 'prompt' } }, JSON.stringify(prompt));
  });

  await t.test('n answers, the same ones for the same seed', async (t) => {
    const sampled = { temperature: 1, seed: 5 };
    const [first, second] = (await complete({ ...sampled, n: 2 })).choices;
    t.match([first, second], [{ index: 0 }, { index: 1 }]);
    t.not(first.text, second.text);
    t.equal((await complete(sampled)).choices[0].text, first.text, 'the first is the one that comes alone');
    t.same((await complete({ ...sampled, n: 2 })).choices, [first, second]);
    t.same((await complete({ prompt: ['if (a', 'if (a'], n: 2 })).choices.map((c: any) => c.index), [0, 1, 2, 3]);
    t.match(await complete({ n: 129 }), { status: 400, error: { param: 'n' } });
  });

  await t.test('a stream has the same text', async (t) => {
    const { events, done } = await stream('completions', { ...base, prompt: ['if (a', 'for'], echo: true, stream_options: { include_usage: true } });
    const whole = await complete({ prompt: ['if (a', 'for'], echo: true });
    t.ok(done);
    t.ok(events.every((event) => event.object === 'text_completion' && event.model === model));
    const textOf = (index: number) => events.map((event) => event.choices.find((c: any) => c.index === index)?.text ?? '').join('');
    t.same([textOf(0), textOf(1)], whole.choices.map((c: any) => c.text));
    t.same(events.at(-1).choices, []);
    t.same(events.at(-1).usage, whole.usage);
    t.same(events.filter((event) => event.choices[0]?.finish_reason === 'length').length, 2);
  });

  await t.test('echo repeats the prompt', async (t) => {
    t.equal((await complete({ echo: true })).choices[0].text, `if (a${text}`);
    t.equal((await complete({ echo: true, prompt: tokenIds('if (a') })).choices[0].text, `if (a${text}`);
    const four = (await complete({ echo: true, prompt: ['if (a', 'for'], n: 2, max_tokens: 1 })).choices.map((c: any) => c.text.slice(0, -1));
    t.same(four, ['if (a', 'if (a', 'for', 'for'], 'the answers to a prompt follow one another');
    t.match(await complete({ echo: true, max_tokens: 0 }), { choices: [{ text: 'if (a', finish_reason: 'length' }], usage: { completion_tokens: 0 } });
    t.match(await complete({ echo: true, logprobs: 1 }), { status: 400, error: { param: 'logprobs' } });
    t.match(await complete({ echo: true, suffix: ')' }), { status: 400, error: { param: 'echo' } });
  });

  await t.test('logprobs', async (t) => {
    const scored = (await complete({ logprobs: 3, stop: text[4] })).choices[0];
    t.equal(scored.text, text.slice(0, 4), 'the likeliest tokens, up to the stop text');
    const { tokens, token_logprobs, top_logprobs, text_offset } = scored.logprobs;
    t.same(tokens, [...text.slice(0, 4)], 'none for what the stop text cut off');
    t.same(text_offset, [0, 1, 2, 3]);
    for (const [i, top] of top_logprobs.entries()) {
      t.equal(Object.keys(top).length, 3);
      t.equal(top[tokens[i]], token_logprobs[i]);
      t.equal(Math.max(...Object.values<number>(top)), token_logprobs[i]);
      t.ok(Object.values<number>(top).reduce((sum, one) => sum + Math.exp(one), 0) < 1, 'probabilities of some of all tokens');
    }
    t.match(await complete({ logprobs: 6 }), { status: 400, error: { param: 'logprobs' } });
  });

  await t.test('a suffix needs a model with marks for it', async (t) => {
    t.match(await complete({ suffix: ')' }), { status: 400, error: { param: 'suffix', message: /no tokens for filling in the middle/ } });
    t.equal((await complete({ suffix: '' })).choices[0].text, text, 'an empty one is none');
    await add('middle:1', { fillsMiddle: true });
    const [prefixMark, suffixMark, middleMark] = middleMarkIds;
    const filled = await complete({ model: 'middle:1', suffix: ') {' });
    const byHand = await complete({ model: 'middle:1', prompt: [prefixMark, ...tokenIds('if (a'), suffixMark, ...tokenIds(') {'), middleMark] });
    t.equal(filled.choices[0].text, byHand.choices[0].text);
    t.same(filled.usage, byHand.usage);
    t.not(filled.choices[0].text, (await complete({ model: 'middle:1' })).choices[0].text);
    t.equal((await complete({ model: 'middle:1', prompt: '', suffix: ') {' })).status, 200, 'nothing before it');
  });

  await t.test('what is too long, or not done, is refused', async (t) => {
    t.match(await complete({ prompt: ['a', 'x'.repeat(512)] }), { status: 400, error: { code: 'context_length_exceeded', param: 'prompt', message: 'prompt: makes 512 tokens, and the context holds 512, so 511 at most; send less' } });
    t.match(await complete({ best_of: 3 }), { status: 400, error: { param: 'best_of' } });
    t.equal((await complete({ best_of: 1, tomorrow: true })).status, 200, 'what nobody knows passes');
    t.match(await complete({ prompt: Array.from({ length: 100 }, () => 'a'), n: 41 }), { status: 400, error: { param: 'n', message: /at most 4096/ } });
    t.match(await complete({ n: 100, max_tokens: 100_000 }), { status: 400, error: { param: 'max_tokens', message: /at most 1048576/ } });
    t.match(await complete({ max_tokens: -1 }), { status: 400, error: { param: 'max_tokens' } });
    t.match(await complete({ model: 'nobody:1' }), { status: 404, error: { code: 'model_not_found' } });
    t.match(await ask('responses', { model, input: 'x' }), { status: 501, error: { message: /chat\/completions, or Ollama/ } });
  });
});

t.test('a model that wants a token at the beginning gets one', async (t) => {
  const { add, ask } = startTestEngine(t, ['--context', '256', '--slots', '1']);
  await add('bos:1', { addBos: true, chatTemplate: `{{ bos_token }}{% for message in messages %}{{ message['content'] }}{% endfor %}`, rendered: (messages) => `<s>${messages.map(({ content }) => content).join('')}` });
  const complete = (prompt: unknown) => ask('completions', { model: 'bos:1', prompt, max_tokens: 6, temperature: 0 });
  const answer = await complete('if');
  t.equal(answer.usage.prompt_tokens, 3);
  t.same((await complete('<s>if')).choices, answer.choices, 'not twice');
  t.same((await complete(tokenIds('<s>if'))).choices, answer.choices);
  t.equal((await complete('')).usage.prompt_tokens, 1);
});
