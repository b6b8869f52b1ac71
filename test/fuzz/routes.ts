import { toBinary, toJson, type DescMessage, type DescMethod, type DescService } from '@bufbuild/protobuf';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { compileRules } from '../../gateway/rest/rules.ts';
import { mutate, randomMessage } from './messages.ts';
import type { Random } from './random.ts';

/** One request, as it is sent. */
export interface FuzzRequest {
  kind: 'http1' | 'grpc';
  verb: string;
  path: string;
  headers: Record<string, string>;
  body: Buffer | undefined;
  /** Whether its answer is a stream, which may begin whenever something happens. */
  streams?: boolean;
}
export type RequestMaker = (random: Random) => FuzzRequest;

const root = join(import.meta.dirname, '../..');
const ids = ['job_20240117_120000', 'nobody', '%00', 'a%2Fb', '%zz', '..', 'x'.repeat(300), 'é', ''];

/** Makers of requests for all routes that there are: new ones come by themselves, from descriptors and route tables. */
export async function allMakers(mounted: readonly string[]): Promise<RequestMaker[]> {
  const services = (await servicesOf('core/gen')).filter(({ typeName }) => mounted.includes(typeName));
  const missing = mounted.filter((name) => !services.some(({ typeName }) => typeName === name));
  if (missing.length > 0) throw new Error(`no descriptors of ${missing.join(', ')}`);
  return [...services.flatMap((service) => service.methods.flatMap(rpcMakers)), ...restMakers(services), ...(await openAiMakers()), strayMaker];
}

async function servicesOf(folder: string): Promise<DescService[]> {
  const files = (await readdir(join(root, folder), { recursive: true })).filter((file) => file.endsWith('_pb.ts'));
  const modules = await Promise.all(files.map((file) => import(join(root, folder, file)) as Promise<Record<string, unknown>>));
  return modules.flatMap((module) => Object.values(module)).filter((value): value is DescService => (value as DescService | undefined)?.kind === 'service');
}

function rpcMakers(method: DescMethod): RequestMaker[] {
  const path = `/${method.parent.typeName}/${method.name}`;
  const binary = (random: Random) => mutate(Buffer.from(toBinary(method.input, randomMessage(method.input, random))), random);
  const framed = (random: Random): Buffer => {
    const message = binary(random);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    const bytes = Buffer.concat([head, message]);
    return random.chance(0.3) ? mutate(bytes, random) : bytes;
  };
  const streams = method.methodKind !== 'unary';
  return [
    (random) => ({ kind: 'grpc', streams, verb: 'POST', path, headers: { 'content-type': random.pick(['application/grpc', 'application/grpc+proto', 'application/grpc+json']), te: 'trailers', ...grpcHeaders(random) }, body: framed(random) }),
    (random) => ({ kind: 'http1', streams, verb: 'POST', path, headers: { 'content-type': streams ? 'application/connect+proto' : 'application/proto', ...anyHeaders(random) }, body: streams ? framed(random) : binary(random) }),
    (random) => ({ kind: 'http1', streams, verb: random.pick(['POST', 'GET']), path, headers: { 'content-type': streams ? 'application/connect+json' : 'application/json', 'connect-protocol-version': '1', ...anyHeaders(random) }, body: json(method.input, random) }),
    (random) => ({ kind: 'http1', streams, verb: 'POST', path, headers: { 'content-type': random.pick(['application/grpc-web', 'application/grpc-web+proto', 'application/grpc-web-text']), ...anyHeaders(random) }, body: framed(random) }),
  ];
}

function restMakers(services: readonly DescService[]): RequestMaker[] {
  const nothing = new Proxy({}, { get: () => () => undefined });
  const rules = compileRules(services.map((service) => ({ service, implementation: nothing }) as never));
  return rules.map((rule) => (random) => {
    const path = rule.path.replace(/\{[^}]+\}/g, () => random.pick(ids)) + (random.chance(0.3) ? random.pick(['?', '?a=1', '?page_size=-1', '?page_size=5&page_size=6', '?page_token=%ff', '?status=failed']) : '');
    const verb = random.chance(0.1) ? random.pick(['PUT', 'OPTIONS', 'HEAD', 'DELETE', 'GET', 'POST']) : rule.verb;
    return { kind: 'http1', verb, path, headers: { 'content-type': 'application/json', ...anyHeaders(random) }, body: json(rule.method.input, random) };
  });
}

/** JSON in the form of the REST lane: names as in the proto file. */
function json(desc: DescMessage, random: Random): Buffer {
  return mutate(Buffer.from(JSON.stringify(toJson(desc, randomMessage(desc, random), { useProtoFieldName: true }))), random);
}

const openAiBodies = [
  { model: 'bench', messages: [{ role: 'user', content: 'hello' }], stream: false, temperature: 1, stop: ['a'] },
  { model: 'bench', messages: [{ role: 'user', content: [{ type: 'text', text: 'hello' }] }], stream: true, max_tokens: 3 },
  { model: 'bench', prompt: 'a', suffix: 'b', n: 1 },
  { model: 'bench', input: ['a', 'b'], encoding_format: 'float' },
  { model: 'bench', input: 'a', instructions: 'b', training_file: 'file-1', metadata: { a: 'b' } },
];

/** The tables of all files of the lane that make one: `create...Routes(deps)`. */
async function openAiMakers(): Promise<RequestMaker[]> {
  const files = (await readdir(join(root, 'gateway/openai'))).filter((file) => file.endsWith('-routes.ts'));
  const anything: object = new Proxy(() => anything, { get: () => anything });
  const makers: RequestMaker[] = [];
  for (const file of files) {
    for (const make of Object.values((await import(join(root, 'gateway/openai', file))) as Record<string, unknown>)) {
      if (typeof make !== 'function' || !/^create\w+Routes$/.test(make.name)) continue;
      for (const { verb, path } of make(anything) as { verb: string; path: string }[]) {
        makers.push((random) => ({
          kind: 'http1', path: path.replace(/\{[^}]+\}/g, () => random.pick(ids)),
          verb: random.chance(0.05) ? random.pick(['GET', 'PUT', 'DELETE', 'POST']) : verb,
          headers: { 'content-type': 'application/json', ...anyHeaders(random) },
          body: mutate(Buffer.from(JSON.stringify(random.pick(openAiBodies))), random),
        }));
      }
    }
  }
  return makers;
}

const strayMaker: RequestMaker = (random) => ({
  kind: 'http1', verb: random.pick(['GET', 'POST', 'PATCH']), headers: anyHeaders(random), body: undefined,
  path: `/${mutate(Buffer.from(random.pick(['v1/models/x', 'status/a', 'webhook/github', 'aiforge.v1.JobService/GetJob', 'health', 'ws/training/a'])), random).toString('latin1').replace(/[^\x21-\x7e]/g, '%00')}`,
});

function anyHeaders(random: Random): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let left = random.below(4); left > 0; left--) {
    const [name, values] = random.pick(headerValues);
    headers[name] = random.pick(values);
  }
  return headers;
}

function grpcHeaders(random: Random): Record<string, string> {
  const headers = anyHeaders(random);
  for (const name of ['content-type', 'content-encoding', 'expect']) delete headers[name];
  return headers;
}

const headerValues: readonly (readonly [string, readonly string[]])[] = [
  ['content-type', ['', 'text/plain', 'application/json; charset=utf-16', 'application/json;charset=utf-8', 'application/grpc', 'multipart/form-data; boundary=x', 'a'.repeat(500)]],
  ['content-encoding', ['gzip', 'identity', 'br', 'x']],
  ['accept', ['*/*', 'text/event-stream', 'x']],
  ['accept-encoding', ['gzip', 'br, zstd', '*']],
  ['authorization', ['Bearer x', 'Basic x', 'x'.repeat(4_000)]],
  ['idempotency-key', ['k', '', 'é', 'x'.repeat(300)]],
  ['origin', ['http://localhost:1', 'http://evil.example', 'null', '::']],
  ['x-request-id', ['abc', '', 'a b', 'x'.repeat(200)]],
  ['connect-protocol-version', ['1', '2', 'x']],
  ['connect-timeout-ms', ['1', '0', '-1', '99999999999', 'x']],
  ['connect-content-encoding', ['gzip', 'x']],
  ['grpc-timeout', ['1m', '0n', '99999999H', '-1S', 'x']],
  ['grpc-encoding', ['gzip', 'identity', 'br', 'snappy']],
  ['grpc-accept-encoding', ['gzip', 'identity', 'x,gzip', '']],
  ['x-hub-signature-256', ['sha256=00', 'x']],
  ['some-bin', ['AAA', '%%%', '']],
  ['range', ['bytes=0-1', 'x']],
  ['cookie', ['a=b', 'x'.repeat(3_000)]],
];
