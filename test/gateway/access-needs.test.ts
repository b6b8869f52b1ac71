import { readFile } from 'node:fs/promises';
import { glob } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { DescService } from '@bufbuild/protobuf';
import t from 'tap';
import { createRouteTable } from '../../gateway/access/route-table.ts';
import { methodNeeds, openAiNeeds, openAiRouteName, type Need } from '../../gateway/access/needs.ts';
import { route, type ServiceRoute } from '../../gateway/method.ts';
import { createOpenAiLane } from '../../gateway/openai/lane.ts';
import { Health } from '../../core/gen/health/v1/health_pb.ts';
import { ServerReflection } from '../../core/gen/grpc/reflection/v1/reflection_pb.ts';
import { ServerReflection as ServerReflectionAlpha } from '../../core/gen/grpc/reflection/v1alpha/reflection_pb.ts';

const root = resolve(import.meta.dirname, '../..');

/** All services that the protos have. */
async function ownServices(): Promise<DescService[]> {
  const services: DescService[] = [];
  for await (const file of glob('core/gen/aiforge/v1/*_pb.ts', { cwd: root })) {
    for (const value of Object.values((await import(join(root, file))) as Record<string, unknown>)) {
      if ((value as { kind?: string } | undefined)?.kind === 'service') services.push(value as DescService);
    }
  }
  return services;
}

/** What the sources of the gateway add to the OpenAI lane. */
async function openAiRoutes(): Promise<string[]> {
  const found: string[] = [];
  for await (const file of glob('gateway/**/*.ts', { cwd: root })) {
    const text = await readFile(join(root, file), 'utf8');
    for (const [, verb, path] of text.matchAll(/verb: '(GET|POST|DELETE)',\s*path: ['`]([^'`]+)['`]/g)) found.push(openAiRouteName(verb!, path!));
  }
  return found;
}

t.test('every method and every OpenAI route says what it takes', async (t) => {
  const services = [...(await ownServices()), Health, ServerReflection, ServerReflectionAlpha];
  t.ok(services.length >= 10, `${services.length} services`);
  const methods = services.flatMap((service) => service.methods.map((method) => `${service.typeName}/${method.name}`));
  t.same(methods.filter((name) => !Object.hasOwn(methodNeeds, name)), []);
  const routes = await openAiRoutes();
  t.ok(routes.length >= 2, routes.join(', '));
  t.same(routes.filter((name) => !name.includes('$') && !Object.hasOwn(openAiNeeds, name)), []);
});

t.test('keys are for administrators alone, and models for no key of another scope', async (t) => {
  for (const name of ['CreateKey', 'ListKeys', 'RevokeKey']) t.equal(methodNeeds[`aiforge.v1.AccessService/${name}`], 'admin');
  const open = [...Object.entries(methodNeeds), ...Object.entries(openAiNeeds)].filter(([, need]) => need === 'open').map(([name]) => name);
  t.same(open, ['aiforge.v1.HealthService/GetHealth', 'grpc.health.v1.Health/Check', 'grpc.health.v1.Health/List']);
});

t.test('a path has the need of the route that its lane takes', async (t) => {
  const nothing = new Proxy({}, { get: () => () => Promise.reject(new Error('not called')) });
  const services: ServiceRoute[] = (await ownServices()).map((service) => route(service, nothing as never));
  const handle = async (): Promise<void> => undefined;
  const lane = createOpenAiLane({ routes: [{ verb: 'POST', path: '/v1/chat/completions', handle }, { verb: 'GET', path: '/v1/models/{model...}', handle }, { verb: 'DELETE', path: '/v1/models/{model...}', handle }, { verb: 'POST', path: '/v1/brand-new', handle }] });
  const table = createRouteTable(services, lane);
  const cases: [string, string, Need][] = [
    ['GET', '/health', 'open'], ['HEAD', '/health', 'open'], ['POST', '/health', 'admin'], ['GET', '/health/', 'admin'],
    ['POST', '/v1/chat/completions', 'inference'], ['GET', '/v1/chat/completions', 'admin'],
    ['GET', '/v1/models/a/b:latest', 'inference'], ['DELETE', '/v1/models/a', 'train'], ['POST', '/v1/models/a/rollback', 'train'], ['GET', '/v1/models/a/rollback', 'admin'],
    ['GET', '/status/job_1', 'train'], ['POST', '/v1/query', 'inference'], ['GET', '/models', 'inference'],
    ['GET', '/v1/api-keys', 'admin'], ['DELETE', '/v1/api-keys/x', 'admin'], ['POST', '/v1/tickets', 'any'],
    ['POST', '/aiforge.v1.AccessService/CreateKey', 'admin'], ['POST', '/aiforge.v1.JobService/GetJob', 'train'], ['POST', '/aiforge.v1.JobService/Nothing', 'admin'],
    ['POST', '/v1/webhooks/x', 'keyless'], ['POST', '/grpc.health.v1.Health/Watch', 'keyless'], ['GET', '/ws/training/job_1', 'train'], ['GET', '/ws/other', 'admin'], ['GET', '/metrics', 'any'],
    ['PUT', '/internal/blobs/abc', 'attempt'], ['PATCH', '/internal/blobs/abc/upload', 'attempt'], ['GET', '/internal/other', 'admin'],
    ['POST', '/v1/brand-new', 'admin'], ['GET', '/', 'admin'], ['GET', '//health', 'admin'], ['GET', '/v1/models/%ff', 'admin'],
    ['GET', '/constructor', 'admin'], ['GET', '/__proto__', 'admin'], ['GET', '/toString', 'admin'],
  ];
  for (const [verb, path, need] of cases) t.equal(table.need(verb, path), need, `${verb} ${path}`);
});

t.test('hashes of keys are compared in constant time, and nowhere else', async (t) => {
  const secret = await readFile(join(root, 'core/access/secret.ts'), 'utf8');
  t.match(secret, /timingSafeEqual\(hashKey\(key\), sha256\)/);
  // What has the hash of a key or makes one: the rest gets neither.
  const touching: string[] = [];
  for await (const file of glob('{core,gateway,deploy}/**/*.ts', { cwd: root })) {
    if (!file.startsWith('core/gen/') && /hashKey|matchesHash|keySha256/.test(await readFile(join(root, file), 'utf8'))) touching.push(file);
  }
  t.same(touching.sort(), ['core/access/api-key.ts', 'core/access/secret.ts', 'gateway/access/gate.ts']);
  t.match(await readFile(join(root, 'gateway/access/gate.ts'), 'utf8'), /if \(!matchesHash\(key, /);
});
