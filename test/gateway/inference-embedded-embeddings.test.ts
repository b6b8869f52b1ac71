import t from 'tap';
import { startTestEngine } from '../support/embedded-engine.ts';
import { tokenIds } from '../support/tiny-model.ts';

t.setTimeout(180_000);

t.test('embeddings', async (t) => {
  const { add, ask } = startTestEngine(t, ['--context', '512', '--slots', '1']);
  const model = 'shop:job_1';
  await add(model);
  const embed = (input: unknown, body: object = {}) => ask('embeddings', { model, input, ...body });
  const answer = await embed('function a()');
  const [{ embedding }] = answer.data;

  await t.test('one text', async (t) => {
    t.match(answer, { status: 200, object: 'list', model, data: [{ object: 'embedding', index: 0 }] });
    t.same(answer.usage, { prompt_tokens: 12, total_tokens: 12 });
    t.equal(embedding.length, 64);
    t.ok(Math.abs(Math.hypot(...embedding) - 1) < 1e-6, 'of length 1');
  });

  await t.test('texts and token ids, in their order', async (t) => {
    const two = await embed(['b', 'function a()']);
    t.same(two.data[1], { object: 'embedding', index: 1, embedding });
    t.equal(two.usage.total_tokens, 13);
    t.same((await embed(tokenIds('function a()'))).data, answer.data);
    t.same((await embed([tokenIds('b'), tokenIds('function a()')])).data, two.data);
  });

  await t.test('base64 is the same in little-endian 32-bit floats', async (t) => {
    const bytes = Buffer.from((await embed('function a()', { encoding_format: 'base64' })).data[0].embedding, 'base64');
    t.same(Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(i * 4)), embedding);
  });

  await t.test('many at once: each gets its own', async (t) => {
    const texts = ['a', 'b', 'c', 'd'];
    const alone = [];
    for (const text of texts) alone.push((await embed(text)).data[0].embedding);
    t.same((await Promise.all(texts.map((text) => embed(text)))).map((one) => one.data[0].embedding), alone);
  });

  await t.test('what is wrong is refused', async (t) => {
    for (const input of [undefined, '', [], ['a', ''], [[]], ['a', 1], 7, null]) t.match(await embed(input), { status: 400, error: { param: 'input' } }, JSON.stringify(input));
    t.match(await embed(Array.from({ length: 2049 }, () => 'a')), { status: 400, error: { message: /at most 2048 texts/ } });
    t.match(await embed([99_999]), { status: 400, error: { message: /99999 is no token/ } });
    t.match(await embed('a', { encoding_format: 'hex' }), { status: 400, error: { param: 'encoding_format' } });
    t.match(await embed('a', { dimensions: 32 }), { status: 400, error: { param: 'dimensions', message: /must be 64/ } });
    t.equal((await embed('a', { dimensions: 64 })).data[0].embedding.length, 64);
    t.match(await embed(['a', 'x'.repeat(600)]), { status: 400, error: { code: 'context_length_exceeded', message: 'input: makes 600 tokens, and the context holds 512, so 511 at most; send less' } });
    t.match(await embed('a', { model: 'nobody:1' }), { status: 404, error: { code: 'model_not_found' } });
  });
});
