import { validate } from '@scalar/openapi-parser';
import type { DescMethod } from '@bufbuild/protobuf';
import t from 'tap';
import { DatasetService } from '../../core/gen/aiforge/v1/dataset_pb.ts';
import { HealthService } from '../../core/gen/aiforge/v1/health_pb.ts';
import { InferenceService } from '../../core/gen/aiforge/v1/inference_pb.ts';
import { JobService } from '../../core/gen/aiforge/v1/job_pb.ts';
import { ProjectService } from '../../core/gen/aiforge/v1/project_pb.ts';
import { RetrainService } from '../../core/gen/aiforge/v1/retrain_pb.ts';
import { parseChatRequest } from '../../gateway/openai/chat-request.ts';
import { bodyExamples } from '../../gateway/openapi/examples.ts';
import { openAiEndpoints } from '../../gateway/openapi/openai-schemas/endpoints.ts';
import { decodeMessage } from '../../gateway/rest/decode.ts';
import { parseJson, type JsonObject } from '../../gateway/rest/json-text.ts';
import { createOpenApiDocument } from '../../gateway/openapi/document.ts';
import { gatewayScene } from '../support/gateway-scene.ts';

interface Described {
  openapi: string;
  paths: Record<string, Record<string, { operationId: string; parameters?: unknown[]; requestBody?: unknown; responses: Record<string, unknown>; 'x-undescribed'?: true }>>;
  components: { schemas: Record<string, Record<string, unknown> & { properties: Record<string, unknown>; required?: string[] }> };
}

t.test('the document of a real gateway', async (t) => {
  const scene = await gatewayScene(t);
  const response = await fetch(`${scene.url}/openapi.json`);
  t.equal(response.status, 200);
  t.equal(response.headers.get('content-type'), 'application/json');
  const text = await response.text();
  const document = JSON.parse(text) as Described;

  await t.test('is valid OpenAPI 3.1', async (t) => {
    const { valid, errors } = await validate(text);
    t.same(errors ?? [], []);
    t.ok(valid);
    t.equal(document.openapi, '3.1.1');
    const broken = await validate(text.replace('"responses":{"200"', '"responses":7,"ignored":{"200"'));
    t.notOk(broken.valid, 'the validator notices what is wrong');
  });

  await t.test('each route of the OpenAI lane is described', async (t) => {
    const missing = Object.entries(document.paths).flatMap(([path, verbs]) => Object.entries(verbs).filter(([, operation]) => operation['x-undescribed']).map(([verb]) => `${verb.toUpperCase()} ${path}`));
    t.same(missing, [], 'each has an entry in gateway/openapi/openai-schemas/endpoints.ts');
    for (const path of ['/v1/chat/completions', '/v1/models', '/v1/models/{model}', '/v1/fine-tune', '/status/{job_id}', '/v1/webhooks/{project}']) t.ok(document.paths[path], path);
    const ids = Object.values(document.paths).flatMap((verbs) => Object.values(verbs).map((operation) => operation.operationId));
    t.equal(new Set(ids).size, ids.length, 'no two operations have one id');
  });

  await t.test('fields, comments, presence, enums and 64-bit numbers are as the REST lane has them', async (t) => {
    const { schemas } = document.components;
    t.strictSame(schemas['GetJobResponse']!.required, ['job_id', 'status', 'progress'], 'what has no presence is always there');
    t.match(schemas['GetJobResponse']!.properties, {
      status: { enum: ['unspecified', 'queued', 'preparing', 'training', 'completed', 'failed', 'paused', 'cancelled'] },
      progress: { description: 'Percent of the planned steps that are done.' },
      current_step: { type: 'integer', minimum: 0 },
      created_at: { type: 'string', format: 'date-time' },
    });
    t.match(text, /"maximum":18446744073709551615[,}]/, 'exact');
    t.match(schemas['CreateFineTuneRequest'], { additionalProperties: false, properties: { epochs: { type: ['integer', 'null'] }, project_name: { type: 'string', description: /^Letters, digits/ } } });
    t.notOk(schemas['CreateFineTuneRequest']!.required, 'the reader fills in what is left out');
    t.match(document.paths['/v1/fine-tune']!['get'], { parameters: [{ name: 'page_size', in: 'query' }, {}, { name: 'status', schema: { enum: ['queued', 'preparing'] } }, {}] });
    t.match(document.paths['/deploy/{job_id}']!['post'], { parameters: [{ name: 'job_id', in: 'path', required: true }, { name: 'Idempotency-Key' }], responses: { 202: {} } });
    t.same(Object.keys(document.paths['/status/{job_id}']!['get']!.responses), ['200', '400', '401', '403', '404', '408', '409', '413', '429', '500', '501', '503', '504']);
  });

  await t.test('it is served with a tag, and to HEAD', async (t) => {
    const etag = response.headers.get('etag')!;
    const again = await fetch(`${scene.url}/openapi.json`, { headers: { 'if-none-match': etag } });
    t.equal(again.status, 304);
    t.equal(await again.text(), '');
    t.equal((await fetch(`${scene.url}/openapi.json`, { headers: { 'if-none-match': '"other"' } })).status, 200);
    const head = await fetch(`${scene.url}/openapi.json`, { method: 'HEAD' });
    t.equal(head.headers.get('content-length'), String(Buffer.byteLength(text)));
    t.equal(await head.text(), '');
    const posted = await fetch(`${scene.url}/openapi.json`, { method: 'POST' });
    t.equal(posted.status, 405);
    t.equal(posted.headers.get('allow'), 'GET, HEAD, OPTIONS');
  });
});

t.test('the examples fit what they are examples of', async (t) => {
  const inputs = [HealthService, JobService, InferenceService, DatasetService, ProjectService, RetrainService].flatMap((service) => service.methods as readonly DescMethod[]);
  let tried = 0;
  for (const [name, example] of Object.entries(bodyExamples)) {
    const method = inputs.find((one) => one.name === name);
    if (method === undefined) continue;
    tried++;
    t.doesNotThrow(() => decodeMessage(method.input, parseJson(JSON.stringify(example)) as JsonObject), name);
  }
  t.equal(tried, 5, 'those of the services');
  const described = new Set(Object.values(openAiEndpoints).map((endpoint) => endpoint.operationId));
  t.same(Object.keys(bodyExamples).filter((name) => !described.has(name) && !inputs.some((method) => method.name === name)), [], 'each has an operation');
  t.doesNotThrow(() => parseChatRequest(Buffer.from(JSON.stringify(bodyExamples['CreateChatCompletion']))));
});

t.test('a route of the OpenAI lane without a schema is noticed', async (t) => {
  const document = JSON.parse(createOpenApiDocument({ routes: [], openAi: [{ verb: 'POST', path: '/v1/novelties/{novelty}/use' }], version: '1' })) as Described;
  t.match(document.paths['/v1/novelties/{novelty}/use']!['post'], { 'x-undescribed': true, parameters: [{ name: 'novelty' }] });
});
