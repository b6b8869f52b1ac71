import type { MessageInitShape } from '@bufbuild/protobuf';
import type { BlobStore } from '../../core/blobs/blob-store.ts';
import type { ListJobLogsRequest, ListJobLogsResponseSchema, WatchJobLogsRequest, WatchJobLogsResponseSchema } from '../../core/gen/aiforge/v1/job_pb.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import type { TelemetryStream } from '../feed/telemetry-stream.ts';
import { listLogs } from './list.ts';
import { watchLogs } from './watch.ts';

export interface JobLogsDeps {
  ledger: Ledger;
  telemetry: TelemetryStream;
  blobs: BlobStore;
}

/** What trainers wrote, by job and attempt, while they run and after. */
export interface JobLogs {
  list(request: ListJobLogsRequest): Promise<MessageInitShape<typeof ListJobLogsResponseSchema>>;
  watch(request: WatchJobLogsRequest, signal: AbortSignal): AsyncIterable<MessageInitShape<typeof WatchJobLogsResponseSchema>>;
}

export function createJobLogs(deps: JobLogsDeps): JobLogs {
  return {
    list: (request) => listLogs(deps, request),
    watch: (request, signal) => watchLogs(deps, request, signal),
  };
}
