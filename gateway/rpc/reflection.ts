import { create, toBinary, type DescFile, type DescService, type MessageInitShape } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from '@connectrpc/connect';
import { ServerReflection, ServerReflectionResponseSchema, type ServerReflectionRequest } from '../../core/gen/grpc/reflection/v1/reflection_pb.ts';
import { ServerReflection as ServerReflectionAlpha } from '../../core/gen/grpc/reflection/v1alpha/reflection_pb.ts';
import { indexFiles, type FileIndex } from './file-index.ts';

type Answer = MessageInitShape<typeof ServerReflectionResponseSchema>['messageResponse'];

/**
 * gRPC server reflection over all services given and itself, as v1 and as v1alpha (which differ in nothing but their
 * package, so that one implementation serves both). Protocol: grpc/doc/server-reflection.md.
 */
export function addReflection(router: ConnectRouter, mounted: readonly DescService[], draining: AbortSignal): void {
  const services = [...new Set([...mounted, ServerReflection, ServerReflectionAlpha])];
  const names = services.map((service) => service.typeName).sort();
  const index = indexFiles(services.map((service) => service.file));

  async function* serverReflectionInfo(requests: AsyncIterable<ServerReflectionRequest>, context: HandlerContext) {
    const sent = new Set<DescFile>();
    const ended = Promise.withResolvers<never>();
    ended.promise.catch(() => undefined);
    const end = (): void => ended.reject(new ConnectError('the server is going down', Code.Unavailable));
    draining.addEventListener('abort', end, { once: true });
    try {
      const iterator = requests[Symbol.asyncIterator]();
      for (;;) {
        const next = await Promise.race([iterator.next(), ended.promise]);
        if (next.done === true) return;
        const messageResponse = answer(next.value, names, index, sent);
        yield create(ServerReflectionResponseSchema, { validHost: next.value.host, originalRequest: next.value, messageResponse });
      }
    } finally {
      draining.removeEventListener('abort', end);
      context.signal.throwIfAborted();
    }
  }

  router.service(ServerReflection, { serverReflectionInfo });
  router.service(ServerReflectionAlpha, { serverReflectionInfo } as object);
}

function answer(request: ServerReflectionRequest, names: readonly string[], index: FileIndex, sent: Set<DescFile>): Answer {
  const wanted = request.messageRequest;
  switch (wanted.case) {
    case 'listServices':
      return { case: 'listServicesResponse', value: { service: names.map((name) => ({ name })) } };
    case 'fileByFilename':
      return files(index.byName(wanted.value), wanted.value, sent);
    case 'fileContainingSymbol':
      return files(index.bySymbol(wanted.value), wanted.value, sent);
    case 'fileContainingExtension': {
      const { containingType, extensionNumber } = wanted.value;
      return files(index.byExtension(containingType, extensionNumber), `${containingType}[${extensionNumber}]`, sent);
    }
    case 'allExtensionNumbersOfType': {
      const extensionNumber = index.extensionNumbers(wanted.value);
      return extensionNumber === undefined ? notFound(wanted.value) : { case: 'allExtensionNumbersResponse', value: { baseTypeName: wanted.value, extensionNumber } };
    }
    case undefined:
      return { case: 'errorResponse', value: { errorCode: Code.InvalidArgument, errorMessage: 'the request asks for nothing' } };
  }
}

/** A file with what it imports, as far as this stream has not had it. */
function files(file: DescFile | undefined, name: string, sent: Set<DescFile>): Answer {
  if (file === undefined) return notFound(name);
  const wanted: DescFile[] = [file];
  const collect = (from: DescFile): void => {
    for (const dependency of from.dependencies) {
      if (sent.has(dependency) || wanted.includes(dependency)) continue;
      wanted.push(dependency);
      collect(dependency);
    }
  };
  collect(file);
  for (const each of wanted) sent.add(each);
  return { case: 'fileDescriptorResponse', value: { fileDescriptorProto: wanted.map((each) => toBinary(FileDescriptorProtoSchema, each.proto)) } };
}

function notFound(name: string): Answer {
  return { case: 'errorResponse', value: { errorCode: Code.NotFound, errorMessage: `not found: ${name.slice(0, 200)}` } };
}
