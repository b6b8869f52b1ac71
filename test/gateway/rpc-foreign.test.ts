import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { credentials, loadPackageDefinition, Metadata, status as grpcStatus, type ServiceClientConstructor, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { createClient, type Client } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import t from 'tap';
import { ServerReflection, type ServerReflectionRequestSchema } from '../../core/gen/grpc/reflection/v1/reflection_pb.ts';
import { ServerReflection as ServerReflectionAlpha } from '../../core/gen/grpc/reflection/v1alpha/reflection_pb.ts';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { jobId, startPort } from './services.ts';

t.setTimeout(30_000);
const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const { server, port } = await startPort();
t.teardown(() => server.stop());
const address = `127.0.0.1:${port}`;

t.test('@grpc/grpc-js', async (t) => {
  const definition = loadSync('aiforge/v1/job.proto', { includeDirs: [join(root, 'proto'), join(root, 'node_modules/google-proto-files')], longs: Number, enums: String });
  const { aiforge } = loadPackageDefinition(definition) as unknown as { aiforge: { v1: { JobService: ServiceClientConstructor } } };
  const jobs = new aiforge.v1.JobService(address, credentials.createInsecure());
  t.teardown(() => jobs.close());
  const metadata = new Metadata();
  metadata.set('idempotency-key', 'k');
  const call = (method: string, request: object): Promise<object> =>
    new Promise((resolve, reject) => jobs[method]!(request, metadata, (error: ServiceError | null, response: object) => (error ? reject(error) : resolve(response))));
  t.match(await call('getJob', { jobId }), { jobId, status: 'JOB_STATUS_TRAINING', progress: 45.5, currentStep: 150 });
  await t.rejects(call('getJob', { jobId: 'nobody' }), { code: grpcStatus.NOT_FOUND, details: 'job_id: no such job: nobody' });
  // Any text arrives as it is.
  await t.rejects(call('getJob', { jobId: '100 % é\n' }), { code: grpcStatus.NOT_FOUND, details: 'job_id: no such job: 100 % é\n' });
  const stream = jobs['watchJob']!({ jobId, after: '1' }) as unknown as AsyncIterable<{ cursor: string }>;
  const cursors: string[] = [];
  for await (const update of stream) cursors.push(update.cursor);
  t.same(cursors, ['2', '3']);
});

t.test('a method that does not exist, in each protocol', async (t) => {
  const post = (headers: Record<string, string>) => fetch(`http://${address}/aiforge.v1.JobService/Nothing`, { method: 'POST', body: '{}', headers });
  const connect = await post({ 'content-type': 'application/json', 'connect-protocol-version': '1' });
  t.equal(connect.status, 404);
  t.same(await connect.json(), { code: 'unimplemented', message: 'no such method: aiforge.v1.JobService/Nothing' });
  for (const type of ['application/grpc', 'application/grpc-web+proto']) {
    const { status, headers } = await post({ 'content-type': type });
    t.match({ status, code: headers.get('grpc-status'), type: headers.get('content-type') }, { status: 200, code: '12', type });
  }
  const rest = await post({ 'content-type': 'application/json' });
  t.same(await rest.json(), { detail: 'No such route: /aiforge.v1.JobService/Nothing' });
});

for (const [version, service] of [['v1', ServerReflection], ['v1alpha', ServerReflectionAlpha]] as const) {
  t.test(`reflection ${version}`, async (t) => {
    const reflection = createClient(service, createGrpcTransport({ baseUrl: `http://${address}` })) as Client<typeof ServerReflection>;
    const ask = async (messageRequest: MessageInitShape<typeof ServerReflectionRequestSchema>['messageRequest']) => {
      for await (const answer of reflection.serverReflectionInfo(one({ messageRequest }))) return answer.messageResponse;
      throw new Error('no answer');
    };
    const names = await ask({ case: 'listServices', value: '' });
    t.same(names.case === 'listServicesResponse' && names.value.service.map((s) => s.name), [
      'aiforge.v1.HealthService',
      'aiforge.v1.JobService',
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
    ]);
    for (const value of ['aiforge.v1.JobService', 'aiforge.v1.JobService.GetJob', 'aiforge.v1.GetJobRequest', 'aiforge.v1.GetJobRequest.job_id', 'aiforge.v1.JobStatus', 'aiforge.v1.JOB_STATUS_QUEUED']) {
      const files = await ask({ case: 'fileContainingSymbol', value });
      const found = files.case === 'fileDescriptorResponse' ? files.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name) : [];
      t.equal(found[0], 'aiforge/v1/job.proto', value);
      t.ok(found.includes('google/api/annotations.proto') && found.includes('google/protobuf/descriptor.proto'), 'with what it imports, and what that imports');
    }
    t.match(await ask({ case: 'fileByFilename', value: 'aiforge/v1/task.proto' }), { case: 'fileDescriptorResponse' });
    t.match(await ask({ case: 'fileContainingExtension', value: { containingType: 'google.protobuf.MethodOptions', extensionNumber: 72295728 } }), { case: 'fileDescriptorResponse' });
    t.match(await ask({ case: 'allExtensionNumbersOfType', value: 'google.protobuf.MethodOptions' }), { case: 'allExtensionNumbersResponse', value: { extensionNumber: [72295728] } });
    t.match(await ask({ case: 'fileContainingSymbol', value: 'aiforge.v1.Nothing' }), { case: 'errorResponse', value: { errorCode: 5 } });
    t.match(await ask({ case: 'allExtensionNumbersOfType', value: 'Nothing' }), { case: 'errorResponse', value: { errorCode: 5 } });
    t.match(await ask({ case: undefined }), { case: 'errorResponse', value: { errorCode: 3 } });
  });
}

const run = promisify(execFile);
const grpcurl = await run('grpcurl', ['--version']).then(() => true, () => false);
t.test('grpcurl by reflection', { skip: grpcurl ? false : 'grpcurl is not on PATH (go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4)' }, async (t) => {
  const call = async (...args: string[]): Promise<string> => (await run('grpcurl', ['-plaintext', '-max-time', '10', ...args])).stdout;
  t.match(await call(address, 'list'), /^aiforge\.v1\.HealthService\naiforge\.v1\.JobService\ngrpc\.health\.v1\.Health\n/);
  t.match(await call(address, 'describe', 'aiforge.v1.JobService'), /rpc WatchJob \( \.aiforge\.v1\.WatchJobRequest \) returns \( stream \.aiforge\.v1\.WatchJobResponse \)/);
  t.match(JSON.parse(await call('-d', JSON.stringify({ job_id: jobId }), address, 'aiforge.v1.JobService/GetJob')), { jobId, status: 'JOB_STATUS_TRAINING' });
  t.match(await call('-d', JSON.stringify({ job_id: jobId }), address, 'aiforge.v1.JobService/WatchJob'), /"cursor": "3"/);
  t.match(JSON.parse(await call(address, 'grpc.health.v1.Health/Check')), { status: 'SERVING' });
  const failed = await call('-d', '{"job_id":"nobody"}', address, 'aiforge.v1.JobService/GetJob').catch((error: { stderr: string }) => error.stderr);
  t.match(failed, /Code: NotFound\n\s+Message: job_id: no such job: nobody/);
});

async function* one<T>(value: T): AsyncGenerator<T> {
  yield value;
}
