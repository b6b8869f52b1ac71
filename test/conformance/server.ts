// A server under test for Connect's conformance runner: the one port with the reference service mounted. The runner
// starts one for each combination of protocol and HTTP version, tells it on stdin what it wants, reads from stdout where
// it listens (each message protobuf after four bytes of length), and ends it with SIGTERM.
import { create, createRegistry, fromBinary, toBinary } from '@bufbuild/protobuf';
import { createLogger } from '../../core/logger.ts';
import { createPort } from '../../gateway/port.ts';
import { ServerCompatRequestSchema, ServerCompatResponseSchema } from './gen/connectrpc/conformance/v1/server_compat_pb.ts';
import { ConformanceService, file_connectrpc_conformance_v1_service } from './gen/connectrpc/conformance/v1/service_pb.ts';
import { conformanceService } from './service.ts';

async function readRequest() {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) {
    chunks.push(chunk as Buffer);
    const all = Buffer.concat(chunks);
    if (all.length >= 4 && all.length >= 4 + all.readUInt32BE()) return fromBinary(ServerCompatRequestSchema, all.subarray(4, 4 + all.readUInt32BE()));
  }
  throw new Error('the runner said nothing');
}

const request = await readRequest();
const server = createPort({
  routes: [],
  raw: [],
  websocket: (_request, socket) => socket.destroy(),
  // The suite's messages hold each other in google.protobuf.Any, which JSON can only write with a registry.
  mount: (router) => router.service(ConformanceService, conformanceService, { jsonOptions: { registry: createRegistry(file_connectrpc_conformance_v1_service) } }),
  limits: request.messageReceiveLimit > 0 ? { bodyBytes: request.messageReceiveLimit } : {},
  logger: createLogger('conformance'),
});
const { host, port } = await server.listen('127.0.0.1', 0);
const response = toBinary(ServerCompatResponseSchema, create(ServerCompatResponseSchema, { host, port }));
const length = Buffer.alloc(4);
length.writeUInt32BE(response.length);
process.stdout.write(Buffer.concat([length, response]));
process.once('SIGTERM', () => void server.stop().then(() => process.exit(0)));
