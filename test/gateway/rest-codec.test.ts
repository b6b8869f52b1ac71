import { create, equals, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import fc from 'fast-check';
import t from 'tap';
import { ApiKeySchema, Scope } from '../../core/gen/aiforge/v1/access_pb.ts';
import { CreateFineTuneRequestSchema, WatchJobResponseSchema } from '../../core/gen/aiforge/v1/job_pb.ts';
import { TaskSpecSchema, TrainResultSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import { decodeMessage } from '../../gateway/rest/decode.ts';
import { encodeMessage } from '../../gateway/rest/encode.ts';
import { parseJson, type Json, type JsonObject } from '../../gateway/rest/json-text.ts';

const seed = 20240117;

/** The value as `JSON.parse` would give it. */
function plain(value: Json): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map(plain);
  return value !== null && typeof value === 'object' ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)])) : value;
}

t.test('parseJson agrees with JSON.parse on whatever is JSON', async (t) => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 3, stringUnit: 'binary' }), fc.constantFrom(undefined, 1, '\t'), (value, space) => {
      const text = JSON.stringify(value, null, space);
      return JSON.stringify(plain(parseJson(text))) === JSON.stringify(JSON.parse(text));
    }),
    { seed, numRuns: 200 },
  );
  t.pass();
});

t.test('an enum value that is not known is told as its number, as protobuf’s own JSON has it', async (t) => {
  t.strictSame(JSON.parse(encodeMessage(ApiKeySchema, create(ApiKeySchema, { keyId: 'k', scopes: [Scope.TRAIN, 99 as Scope] }))).scopes, ['train', 99]);
});

t.test('parseJson refuses what JSON.parse refuses', async (t) => {
  const broken = fc.tuple(fc.jsonValue({ maxDepth: 3 }), fc.nat(), fc.constantFrom('', '"', '{', ']', ',', ':', '0', '-', 'e', '\\', '\u0000', 'tru')).map(([value, at, what]) => {
    const text = JSON.stringify(value);
    const cut = at % (text.length + 1);
    return text.slice(0, cut) + what + text.slice(cut + 1);
  });
  const accepts = (parse: (text: string) => unknown, text: string): boolean => {
    try {
      parse(text);
      return true;
    } catch {
      return false;
    }
  };
  // Stricter in one point only: a key that stands twice.
  fc.assert(fc.property(broken, (text) => accepts(JSON.parse, text) || !accepts(parseJson, text)), { seed, numRuns: 1000 });
  t.pass();
});

t.test('a megabyte is parsed in bounded time, whatever it holds', async (t) => {
  for (const text of ['['.repeat(1e6), '1'.repeat(1e6), `"${'\\n'.repeat(5e5)}"`, `[${'1,'.repeat(5e5)}1]`, ' '.repeat(1e6)]) {
    const before = performance.now();
    try {
      parseJson(text);
    } catch {
      // What matters is the time.
    }
    t.ok(performance.now() - before < 2_000);
  }
});

t.test('keys of Object.prototype are keys like others', async (t) => {
  const object = parseJson('{"__proto__":{"polluted":1},"constructor":2}') as JsonObject;
  t.same(Object.keys(object), ['__proto__', 'constructor']);
  t.equal(({} as { polluted?: unknown }).polluted, undefined);
});

t.test('what is encoded decodes to the same message', async (t) => {
  const back = <D extends DescMessage>(desc: D, init: MessageInitShape<D>): boolean => {
    const message = create(desc, init);
    return equals(desc, decodeMessage(desc, parseJson(encodeMessage(desc, message)) as JsonObject), message);
  };
  const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined });
  const number = fc.double({ noNaN: true, noDefaultInfinity: true });
  const text = fc.string({ unit: 'binary' }).filter((s) => s.isWellFormed());
  const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  fc.assert(
    fc.property(text, optional(uint64), optional(fc.nat()), optional(number), optional(fc.boolean()), fc.array(text), fc.constantFrom(undefined, 1, 2, 3), (projectName, seed, epochs, learningRate, usePissa, targetModules, quantization) =>
      back(CreateFineTuneRequestSchema, { projectName, seed, epochs, learningRate, usePissa, targetModules, quantization }),
    ),
    { seed, numRuns: 300 },
  );
  fc.assert(
    fc.property(fc.date({ min: new Date(0), max: new Date('9999-01-01'), noInvalidDate: true }), optional(number), uint64, (date, loss, step) =>
      back(WatchJobResponseSchema, { cursor: 'c', time: { seconds: BigInt(Math.floor(date.getTime() / 1000)), nanos: (date.getTime() % 1000) * 1_000_000 }, status: 3, loss, step }),
    ),
    { seed, numRuns: 300 },
  );
  fc.assert(
    fc.property(fc.dictionary(text, text), (packageVersions) => back(TrainResultSchema, { lineage: { packageVersions } })),
    { seed, numRuns: 200 },
  );
  t.ok(back(TaskSpecSchema, { kind: { case: 'train', value: { baseModel: 'm', hyperparameters: { epochs: 3, quantization: 3 }, source: { case: 'datasetDigest', value: 'd' } } } }), 'nested messages and oneofs');
});

t.test('a oneof takes one', async (t) => {
  const both = parseJson('{"extract":{},"train":{}}') as JsonObject;
  t.throws(() => decodeMessage(TaskSpecSchema, both), { message: 'train: only one of extract, train, evaluate, export, deploy may be set', field: 'train' });
  const nested = parseJson('{"train":{"hyperparameters":{"epochs":"3"}}}') as JsonObject;
  t.throws(() => decodeMessage(TaskSpecSchema, nested), { message: 'train.hyperparameters.epochs: must be a whole number, without quotes' });
});
