// Reference: a bare @grpc/grpc-js server that answers GetJob with one message; requests are decoded, answers encoded.
import { fromBinary, toBinary, fromJsonString } from '@bufbuild/protobuf';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { GetJobRequestSchema, GetJobResponseSchema, type GetJobRequest, type GetJobResponse } from '../../../../core/gen/aiforge/v1/job_pb.ts';

const job = fromJsonString(GetJobResponseSchema, process.argv[2]!);
const server = new Server();
const getJob = {
  path: '/aiforge.v1.JobService/GetJob', requestStream: false as const, responseStream: false as const,
  requestSerialize: (message: GetJobRequest) => Buffer.from(toBinary(GetJobRequestSchema, message)),
  requestDeserialize: (bytes: Buffer) => fromBinary(GetJobRequestSchema, bytes),
  responseSerialize: (message: GetJobResponse) => Buffer.from(toBinary(GetJobResponseSchema, message)),
  responseDeserialize: (bytes: Buffer) => fromBinary(GetJobResponseSchema, bytes),
};
server.addService({ getJob }, { getJob: (_call: unknown, answer: (error: null, value: GetJobResponse) => void) => answer(null, job) });
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.stdout.write(`ready http://127.0.0.1:${port}\n`);
});
