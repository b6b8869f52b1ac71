import { create } from '@bufbuild/protobuf';
import { invalid } from '../../../core/errors.ts';
import {
  GetFineTuningJobRequestSchema, ListFineTuningCheckpointsRequestSchema, ListFineTuningEventsRequestSchema, ListFineTuningJobsRequestSchema,
  type FineTuningService, type ListFineTuningJobsRequest,
} from '../../../core/gen/aiforge/v1/fine_tuning_pb.ts';
import type { Implementation } from '../../method.ts';
import { contextOf } from '../call-context.ts';
import { numberIn, readListQuery } from '../list-query.ts';
import { readBody } from '../request-body.ts';
import type { OpenAiRoute } from '../routes.ts';
import { sendOpenAi } from '../send.ts';
import { checkpointObject, eventObject, jobObject } from './job-object.ts';
import { parseCreateJob } from './parse-create.ts';

const path = '/v1/fine_tuning/jobs';
const bodyLimitBytes = 256 << 10;

/** OpenAI's fine-tuning, as JSON over the service that gRPC has. */
export function createFineTuningRoutes(jobs: Implementation<typeof FineTuningService>): OpenAiRoute[] {
  const controlled = (verb: 'cancel' | 'pause' | 'resume'): OpenAiRoute => ({
    verb: 'POST',
    path: `${path}/{fine_tuning_job_id}/${verb}`,
    async handle(call) {
      const id = call.values['fine_tuning_job_id']!;
      const method = { cancel: jobs.cancelFineTuningJob, pause: jobs.pauseFineTuningJob, resume: jobs.resumeFineTuningJob }[verb];
      sendOpenAi(call.response, 200, jobObject((await method({ id } as never, contextOf(call))).job!));
    },
  });
  return [
    {
      verb: 'POST',
      path,
      async handle(call) {
        const context = contextOf(call);
        const request = parseCreateJob(await readBody(call.request, bodyLimitBytes));
        sendOpenAi(call.response, 200, jobObject((await jobs.createFineTuningJob(request, context)).job!));
      },
    },
    {
      verb: 'GET',
      path,
      async handle(call) {
        const { jobs: found = [], hasMore } = await jobs.listFineTuningJobs(parseListJobs(call.query()), contextOf(call));
        sendOpenAi(call.response, 200, { object: 'list', data: found.map(jobObject), has_more: hasMore });
      },
    },
    {
      verb: 'GET',
      path: `${path}/{fine_tuning_job_id}`,
      async handle(call) {
        const request = create(GetFineTuningJobRequestSchema, { id: call.values['fine_tuning_job_id']! });
        sendOpenAi(call.response, 200, jobObject((await jobs.getFineTuningJob(request, contextOf(call))).job!));
      },
    },
    controlled('cancel'),
    controlled('pause'),
    controlled('resume'),
    {
      verb: 'GET',
      path: `${path}/{fine_tuning_job_id}/events`,
      async handle(call) {
        const request = create(ListFineTuningEventsRequestSchema, { id: call.values['fine_tuning_job_id']!, ...pageIn(call.query()) });
        const { events = [], hasMore } = await jobs.listFineTuningEvents(request, contextOf(call));
        sendOpenAi(call.response, 200, { object: 'list', data: events.map(eventObject), has_more: hasMore });
      },
    },
    {
      verb: 'GET',
      path: `${path}/{fine_tuning_job_id}/checkpoints`,
      async handle(call) {
        const id = call.values['fine_tuning_job_id']!;
        const { checkpoints = [], hasMore } = await jobs.listFineTuningCheckpoints(create(ListFineTuningCheckpointsRequestSchema, { id, ...pageIn(call.query()) }), contextOf(call));
        const data = checkpoints.map((checkpoint) => checkpointObject(id, checkpoint));
        sendOpenAi(call.response, 200, { object: 'list', data, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null, has_more: hasMore });
      },
    },
  ];
}

/** A number that is none becomes one that no list allows. */
function pageIn(query: URLSearchParams): { after?: string; limit?: number } {
  return pageOf(readListQuery(query, ['after', 'limit']));
}

function pageOf(fields: ReadonlyMap<string, string>): { after?: string; limit?: number } {
  const after = fields.get('after');
  const limit = numberIn(fields, 'limit');
  return { ...(after === undefined ? {} : { after }), ...(limit === undefined ? {} : { limit: Number.isNaN(limit) ? 0 : limit }) };
}

function parseListJobs(query: URLSearchParams): ListFineTuningJobsRequest {
  const fields = readListQuery(query, ['after', 'limit', 'metadata', 'metadata[']);
  const none = fields.get('metadata');
  if (none !== undefined && none !== 'null') throw invalid('metadata', 'must be null, or pairs such as metadata[key]=value');
  const metadata = Object.fromEntries([...fields].filter(([name]) => name.startsWith('metadata[')).map(([name, value]) => [name.slice('metadata['.length, -1), value]));
  return create(ListFineTuningJobsRequestSchema, { ...pageOf(fields), metadata, withoutMetadata: none !== undefined });
}
