import t from 'tap';
import { ForgeError } from '../../core/errors.ts';
import type { InferenceBackend } from '../../gateway/inference/backend.ts';
import { limitFirstByte } from '../../gateway/inference/first-byte.ts';

const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;

/** A backend whose answers' bodies are these. */
const backendOf = (body: () => AsyncIterable<Uint8Array>): InferenceBackend =>
  limitFirstByte({ kind: 'upstream', send: async () => ({ status: 200, headers: {}, body: body() }) } as unknown as InferenceBackend, 60_000);

t.test('the time for a first byte is over with the answer, however that ends', async (t) => {
  const before = timers();
  const send = (body: () => AsyncIterable<Uint8Array>) => backendOf(body).send('chat/completions', new Uint8Array(), new AbortController().signal);
  const dies = await send(async function* () { throw new ForgeError('unavailable', 'it died'); });
  t.equal(timers(), before + 1, 'it is waited for');
  await t.rejects(dies.body[Symbol.asyncIterator]().next(), { code: 'unavailable' });
  t.equal(timers(), before, 'the backend dies before it');
  const left = await send(async function* () { yield new Uint8Array(1); });
  await left.body[Symbol.asyncIterator]().return!();
  t.equal(timers(), before, 'nobody wants it any more');
  const empty = await send(async function* () {});
  for await (const _ of empty.body);
  t.equal(timers(), before, 'there is none');
  const refused = limitFirstByte({ send: async () => { throw new ForgeError('unavailable', 'away'); } } as unknown as InferenceBackend, 60_000);
  await t.rejects(refused.send('chat/completions', new Uint8Array(), new AbortController().signal), { code: 'unavailable' });
  t.equal(timers(), before, 'it was never sent');
});
